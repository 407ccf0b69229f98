import { chmod, cp, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { doctorSchema, resetSchema } from '../../../agent/control/contract.ts'
import { foundMesh } from '../../../agent/enrolment.ts'
import { type StatePaths, statePaths } from '../../../protocol/host/paths.ts'
import { openStateStore } from '../../../protocol/mesh/members/identity.ts'
import { ProofFolder } from '../../../protocol/mesh/members/proof-folder.ts'
import { RosterBook } from '../../../protocol/mesh/members/roster-book.ts'
import {
  decodeEquivocation,
  encodeEquivocation
} from '../../../protocol/wire/equivocation-codec.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { keyOfSeed, sealRun } from '../../support/memory-mesh.ts'
import { type ExitedProcess, ProgramProcess } from '../../support/program-process.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

const clock = new FakeClock(0)
const ADDRESS = '/ip4/10.0.0.7/tcp/4471'

async function founded() {
  const paths = statePaths('agent', { state: join(await temporaryFolder(), 'agent') }, {})
  const first = { name: 'onyx', addresses: [ADDRESS], zone: 'onyx', lease: 'default' } as const
  clock.jumpWall(Date.now() - clock.wallMs())
  const made = await foundMesh(paths, first, clock)
  return { paths, ...made }
}

function run(paths: StatePaths, ...words: readonly string[]): Promise<ExitedProcess> {
  return new ProgramProcess('agent', [...words, '--state', paths.state]).exited
}

async function doctor(paths: StatePaths) {
  const { code, stdout } = await run(paths, 'doctor', '--json')
  const view = doctorSchema.parse(JSON.parse(stdout))
  const bad = view.findings.filter(({ verdict }) => verdict === 'failed')
  // Whether an engine runs is the host's own affair.
  const failed = bad.filter(({ subject }) => subject !== 'engine')
  return { code, view, failed, codes: view.findings.map(({ code: each }) => each) }
}

const storeIdIn = async (paths: StatePaths, peerId: string): Promise<string> => {
  const store = await openStateStore(paths, peerId, { create: false, openedBy: 'agent' })
  await store.close()
  return store.storeId
}

async function seatIn(paths: StatePaths, authority: string) {
  const book = await RosterBook.open(paths.rosters, authority, clock)
  const { members, version } = book.current()?.roster ?? { members: [], version: 0 }
  return { storeId: members[0]?.witness?.storeId, version }
}

const damage = (paths: StatePaths) => writeFile(join(paths.store, 'SUSPECT'), 'a record is gone\n')
const asideIn = async ({ state }: StatePaths): Promise<readonly string[]> => {
  return (await readdir(state)).filter((name) => name.startsWith('store.aside-'))
}

describe('agent doctor', () => {
  test('finds a fresh host sound, and leaves every file as it is', async () => {
    const { paths, storeId } = await founded()
    const before = (await readdir(paths.store)).sort((a, b) => (a < b ? -1 : 1))

    const { failed, view } = await doctor(paths)

    expect(failed).toEqual([])
    const store = view.findings.find(({ subject }) => subject === 'store')
    expect(store?.found).toContain(storeId)
    expect((await readdir(paths.store)).sort((a, b) => (a < b ? -1 : 1))).toEqual(before)
    const human = await run(paths, 'doctor')
    expect(human.stdout).toContain(storeId)
    expect(human.stdout).toMatch(/\d+ failed, \d+ warnings\n$/)
  })

  test('says what a store lost, and what to do', async () => {
    const { paths } = await founded()
    await damage(paths)

    const { code, failed } = await doctor(paths)

    expect(code).toBe(1)
    expect(failed).toMatchObject([{ code: 'STORE_SUSPECT', subject: 'store' }])
    expect(failed[0]?.found).toContain('a record is gone')
    expect(failed[0]?.fix).toContain('agent witness reset')
  })

  test('tells a store that went back, a wide key and a store that no roster names apart', async () => {
    const { paths } = await founded()
    await chmod(paths.key, 0o644)
    await writeFile(join(paths.store, 'SUSPECT'), '12D3 saw sequence 9 of 4\n')
    const first = await doctor(paths)
    expect(first.codes).toEqual(expect.arrayContaining(['KEY_MODE_WIDE', 'STORE_ROLLED_BACK']))

    await chmod(paths.key, 0o600)
    await rm(paths.store, { recursive: true })
    const other = await founded()
    await cp(other.paths.store, paths.store, { recursive: true })
    const second = await doctor(paths)
    // It is another host's.
    expect(second.failed).toMatchObject([{ code: 'STORE_SUSPECT' }])
  })

  test('shows what a member signed twice, and hands it out, with no agent running', async () => {
    const { paths } = await founded()
    const key = await keyOfSeed(7)
    const seal = (commit: string) => sealRun(key, { jobs: [{}], commit, gwSeq: 9, wallMs: 1_000 })
    const [first, second] = [seal('aa'), seal('bb')]
    const found = { kind: 'announcements', peer: key.peerId, first, second } as const
    const text = encodeEquivocation({ found, seenAtMs: 1_000 })
    const folder = new ProofFolder(paths.proofs)
    await folder.save({ found, seenAtMs: 1_000 }, text)

    const sound = await doctor(paths)
    const shown = await run(paths, 'doctor', '--proofs')

    expect(sound.view.findings).toContainEqual(
      expect.objectContaining({
        code: 'EQUIVOCATION',
        verdict: 'warning',
        found: expect.stringContaining('two announcements under number 9')
      })
    )
    expect(shown.code).toBe(0)
    const [one] = (JSON.parse(shown.stdout) as { proofs: { proof: unknown }[] }).proofs
    expect(decodeEquivocation(JSON.stringify(one?.proof)).found).toEqual(found)

    const file = folder.fileOf({ found, seenAtMs: 1_000 })
    await writeFile(file, text.replace('"seenAtMs"', '"seen"'))
    expect((await doctor(paths)).failed).toMatchObject([{ code: 'PROOF_INVALID' }])
    expect((await run(paths, 'doctor', '--proofs')).code).toBe(1)
  })

  test('says that the folder of proofs cannot be read, and everything else all the same', async () => {
    const { paths } = await founded()
    await writeFile(paths.proofs, 'no folder')

    const { failed, view } = await doctor(paths)
    const shown = await run(paths, 'doctor', '--proofs')

    expect(failed).toMatchObject([{ code: 'PROOFS_UNREADABLE', subject: 'proof' }])
    expect(view.findings.map(({ subject }) => subject)).toContain('agent')
    expect(shown.code).toBe(1)
    expect(shown.stderr).toContain('PROOFS_UNREADABLE')
  })

  test('gives exit 1 and one finding where there is no state at all', async () => {
    const paths = statePaths('agent', { state: join(await temporaryFolder(), 'nothing') }, {})
    const { code, failed } = await doctor(paths)

    expect(code).toBe(1)
    expect(failed).toMatchObject([{ code: 'STATE_ABSENT' }])
  })
})

describe('agent witness reset', () => {
  test('refuses a sound store without --yes, and says what would be lost', async () => {
    const { paths, peerId, storeId } = await founded()
    const { code, stderr } = await run(paths, 'witness', 'reset')

    expect(code).toBe(1)
    expect(stderr).toContain('RESET_UNNEEDED')
    expect(stderr).toContain('dead for all open jobs')
    expect(await storeIdIn(paths, peerId)).toBe(storeId)
  })

  test('keeps a damaged store aside, makes a new one, and signs it where the key is', async () => {
    const { paths, peerId, storeId, authority } = await founded()
    await damage(paths)

    const { code, stdout } = await run(paths, 'witness', 'reset', '--json')

    expect(code).toBe(0)
    const view = resetSchema.parse(JSON.parse(stdout))
    const made = await storeIdIn(paths, peerId)
    expect(made).not.toBe(storeId)
    expect(view).toMatchObject({ id: `${peerId}/${made}`, rosterVersion: 2, admit: null })
    expect(await asideIn(paths)).toEqual([view.aside])
    expect(await readdir(join(paths.state, view.aside ?? ''))).toContain('SUSPECT')
    expect(await seatIn(paths, authority)).toEqual({ storeId: made, version: 2 })
    const { failed, codes } = await doctor(paths)
    expect(failed).toEqual([])
    expect(codes).toContain('STORE_ASIDE')
  })

  test('prints the command for the host with the key, and repeats it without a third store', async () => {
    const { paths, peerId, storeId } = await founded()
    await rm(paths.authorityKey)
    await damage(paths)
    const first = await run(paths, 'witness', 'reset')
    const made = await storeIdIn(paths, peerId)

    expect(first.stdout).toBe(`${peerId}/${made}\n`)
    expect(first.stderr).toContain(
      `agent admit ${peerId}/${made} --name onyx --role agent --role operator ` +
        `--address ${ADDRESS} --witness --zone onyx`
    )
    expect(first.stderr).toContain('dead for all jobs')
    const found = await doctor(paths)
    expect(found.failed).toMatchObject([{ code: 'STORE_NOT_IN_ROSTER' }])
    expect(found.failed[0]?.wanted).toContain(storeId)

    const again = await run(paths, 'witness', 'reset')
    expect(again.stdout).toBe(first.stdout)
    expect(await asideIn(paths)).toHaveLength(1)
  })

  test('goes on where it was killed between the old store and the new one', async () => {
    const { paths, peerId, authority } = await founded()
    await cp(paths.store, join(paths.state, 'store.aside-before'), { recursive: true })
    await rm(paths.store, { recursive: true })

    const { code, stdout } = await run(paths, 'witness', 'reset')

    expect(code).toBe(0)
    const made = await storeIdIn(paths, peerId)
    expect(stdout).toBe(`${peerId}/${made}\n`)
    expect(await seatIn(paths, authority)).toMatchObject({ storeId: made })
  })

  test('is refused while another process has the state', async () => {
    const { paths, peerId } = await founded()
    const store = await openStateStore(paths, peerId, { create: false, openedBy: 'agent' })
    const { code, stderr } = await run(paths, 'witness', 'reset', '--yes')
    await store.close()

    expect(code).toBe(78)
    expect(stderr).toContain('STATE_LOCKED')
    expect(await asideIn(paths)).toEqual([])
  })
})
