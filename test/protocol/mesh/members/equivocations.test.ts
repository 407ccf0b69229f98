import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { Equivocation } from '../../../../protocol/core/equivocation.ts'
import {
  EQUIVOCATION_TRIES_MAX,
  EQUIVOCATION_TRY_MS
} from '../../../../protocol/core/equivocation-limits.ts'
import { createLog } from '../../../../protocol/host/log.ts'
import { Equivocations } from '../../../../protocol/mesh/members/equivocations.ts'
import { ProofFolder } from '../../../../protocol/mesh/members/proof-folder.ts'
import { sealRun } from '../../../support/memory-mesh.ts'
import { openMesh } from '../../../support/open-mesh.ts'
import { temporaryFolder } from '../../../support/store-folder.ts'
import { acceptOf, jobValue, scopeOf } from '../../../support/witness-asks.ts'

async function liar() {
  const mesh = await openMesh()
  const [gateway, agent] = [mesh.peer(0), mesh.peer(1)]
  const sealed = mesh.announce()
  const scope = scopeOf(gateway, sealed, 0)
  const created = jobValue(gateway, scope, {
    ...{ kind: 'create', annHash: sealed.annHash, attemptsMax: 3 }
  } as const)
  const claim = (claimId: string) => {
    const body = { kind: 'claim', claimId, boot: agent.boot, leaseMs: 3_000 } as const
    const { ballot, value, proposerSig } = acceptOf(
      agent,
      scope,
      jobValue(agent, scope, body, created)
    )
    return { ballot, value, proposerSig }
  }
  const { register, witnessEpoch } = scope
  const [first, second] = [claim('0c'.repeat(16)), claim('0d'.repeat(16))]
  const { peerId: peer } = agent
  const proposals: Equivocation = { kind: 'proposals', peer, register, witnessEpoch, first, second }
  const seal = (commit: string) => {
    return sealRun(gateway.key, { jobs: [{}], commit, gwSeq: 9, wallMs: mesh.clock.wallMs() })
  }
  const [one, other] = [seal('aa'), seal('bb')]
  const by = gateway.peerId
  const announcements: Equivocation = { kind: 'announcements', peer: by, first: one, second: other }
  const dir = join(await temporaryFolder(), 'proofs')
  const logged: string[] = []
  const stream = { write: (line: string) => logged.push(line) }
  const log = createLog({ name: 'test', level: 'debug', stream })
  const open = () => {
    const { clock, rosters } = mesh
    return new Equivocations({ clock, rosters, log, folder: new ProofFolder(dir) })
  }
  return { mesh, dir, open, proposals, announcements, logged }
}

test('what members signed twice is told of after a restart, too, and proves itself', async () => {
  const { mesh, dir, open, proposals, announcements } = await liar()
  const before = open()
  await before.start()
  before.hear(proposals)
  await mesh.clock.advance(1)
  before.hear(announcements)
  await before.stop()
  const files = await readdir(dir)
  expect(files).toHaveLength(2)
  for (const file of files) expect((await stat(join(dir, file))).mode & 0o777).toBe(0o600)

  const after = open()
  await after.start()

  expect(after.list()).toEqual(before.list())
  expect(after.list().map(({ kind, peer }) => [kind, peer])).toEqual([
    ['proposals', proposals.peer],
    ['announcements', announcements.peer]
  ])
  const { proofs, damaged } = await new ProofFolder(dir).read()
  expect(damaged).toEqual([])
  expect(proofs.map(({ found }) => found)).toEqual([announcements, proposals])
})

test('a file that was changed is no proof, whichever of its words was', async () => {
  const { dir, open, proposals } = await liar()
  const equivocations = open()
  equivocations.hear(proposals)
  await equivocations.stop()
  const [name = ''] = await readdir(dir)
  const text = await readFile(join(dir, name), 'utf8')
  const { first, second, register } = JSON.parse(text) as Record<string, never>
  const changes = [
    { first: second },
    { second: first },
    { register: `${String(register)}1` },
    { witnessEpoch: 2 },
    { peer: proposals.peer.replace(/.$/, 'x') },
    { schema: 'another' }
  ]
  for (const change of changes) {
    await writeFile(join(dir, name), JSON.stringify({ ...JSON.parse(text), ...change }))
    const after = open()
    await after.start()
    expect(after.list(), JSON.stringify(Object.keys(change))).toEqual([])
    expect((await new ProofFolder(dir).read()).damaged).toHaveLength(1)
  }
})

test('nobody is accused by what another made up, or for signing one thing twice', async () => {
  const { mesh, dir, open, proposals, announcements, logged } = await liar()
  if (proposals.kind !== 'proposals' || announcements.kind !== 'announcements') throw new Error()
  const { first, second } = proposals
  const forged = { ...second, proposerSig: first.proposerSig }
  const equivocations = open()
  equivocations.hear({ ...proposals, second: forged })
  await mesh.clock.advance(EQUIVOCATION_TRY_MS)
  equivocations.hear({ ...proposals, second: first })
  equivocations.hear({ ...announcements, second: announcements.first })
  await equivocations.stop()

  expect(equivocations.list()).toEqual([])
  await expect(readdir(dir)).rejects.toThrow('ENOENT')
  expect(logged.filter((line) => line.includes('without a proof'))).toHaveLength(3)
})

test('signatures of one member are checked a few times in a while, those of one pair once', async () => {
  const { mesh, open, proposals, logged } = await liar()
  if (proposals.kind !== 'proposals') throw new Error()
  const forged = (at: number) => {
    const proposerSig = `${at}`.padStart(2, '0').repeat(64)
    return { ...proposals, second: { ...proposals.second, proposerSig } }
  }
  const tries = () => logged.filter((line) => line.includes('without a proof')).length
  const equivocations = open()
  for (let each = 0; each < 100; each += 1) equivocations.hear(forged(0))
  expect(tries()).toBe(1)
  for (let each = 0; each < 90; each += 1) equivocations.hear(forged(each))
  expect(tries()).toBe(EQUIVOCATION_TRIES_MAX)
  equivocations.hear(proposals)
  expect(equivocations.list()).toEqual([])

  await mesh.clock.advance(EQUIVOCATION_TRY_MS)
  equivocations.hear(proposals)
  expect(equivocations.list()).toHaveLength(1)
  await equivocations.stop()
})

test('a pair that somebody made up hides none that was signed, whichever of its parts is false', async () => {
  const { open, proposals } = await liar()
  if (proposals.kind !== 'proposals') throw new Error()
  const { first, second } = proposals
  const changed = { ...second.value, version: second.value.version + 1 }
  for (const change of [{ proposerSig: first.proposerSig }, { value: changed }]) {
    const equivocations = open()
    equivocations.hear({ ...proposals, second: { ...second, ...change } })
    expect(equivocations.list()).toEqual([])
    equivocations.hear(proposals)
    expect(equivocations.list()).toHaveLength(1)
    await equivocations.stop()
  }
})

test("what a stranger signed twice is nobody's business, and costs nothing", async () => {
  const { mesh, open, proposals, logged } = await liar()
  const equivocations = open()
  const { current } = mesh.rosters
  mesh.rosters.current = () => undefined
  equivocations.hear(proposals)
  mesh.rosters.current = current
  expect(equivocations.list()).toEqual([])
  expect(logged).toEqual([])
  equivocations.hear(proposals)
  expect(equivocations.list()).toHaveLength(1)
  await equivocations.stop()
})

test('where the folder of proofs is none, a member starts, tells of what it finds, and keeps nothing', async () => {
  const { dir, open, proposals, logged } = await liar()
  await writeFile(dir, 'no folder')
  const equivocations = open()
  await equivocations.start()
  equivocations.hear(proposals)
  await equivocations.stop()

  expect(equivocations.list()).toMatchObject([{ peer: proposals.peer, file: undefined }])
  expect(logged.filter((line) => line.includes('PROOFS_UNREADABLE'))).toHaveLength(1)
  expect(await readFile(dir, 'utf8')).toBe('no folder')
})

test('a pipe or a folder with the name of a proof is a damaged one, and keeps nobody waiting', async () => {
  const { dir } = await liar()
  await mkdir(join(dir, 'announcements-12D.json'), { recursive: true })
  await promisify(execFile)('mkfifo', [join(dir, 'proposals-12D.json')])

  const { proofs, damaged } = await new ProofFolder(dir).read()

  expect(proofs).toEqual([])
  expect(damaged.map(({ problem }) => problem)).toEqual(['it is no file', 'it is no file'])
})
