import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LEASE_PROFILES } from '../../protocol/core/lease-profile.ts'
import type { Role } from '../../protocol/core/roster.ts'
import { jobIdOf, type SealedAnnouncement } from '../../protocol/core/run.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { systemRandom } from '../../protocol/host/random.ts'
import { Member } from '../../protocol/mesh/member.ts'
import { RosterBook } from '../../protocol/mesh/members/roster-book.ts'
import { type MeshStore, openStore } from '../../protocol/store/mesh-store.ts'
import { generateKey, type MeshKey } from '../../protocol/wire/keys.ts'
import { decodeRecord, encodeRecord } from '../../protocol/wire/record-codec.ts'
import { sealRoster } from '../../protocol/wire/roster-codec.ts'
import { eventually } from '../support/eventually.ts'
import { succeeded } from '../support/memory-members.ts'
import { sealRun } from '../support/memory-mesh.ts'
import { LOOPBACK, memberEntry, rosterOf } from '../support/mesh-nodes.ts'

interface Host {
  readonly key: MeshKey
  readonly book: RosterBook
  readonly store: MeshStore
  readonly member: Member
}

const ROLES: readonly (readonly Role[])[] = [
  ['gateway', 'witness'],
  ['agent', 'witness'],
  ['agent', 'witness'],
  ['agent', 'witness']
]
const LEASE_MS = LEASE_PROFILES.default.leaseMs

const clock = systemClock()
const random = systemRandom()
const hosts: Host[] = []
let folder = ''

async function startHost(name: string, authority: MeshKey): Promise<Host> {
  const dir = join(folder, name)
  await mkdir(join(dir, 'rosters'), { recursive: true })
  const key = generateKey()
  const store = await openStore({
    dir: join(dir, 'store'),
    peerId: key.peerId,
    create: true,
    openedBy: 'test',
    codec: { encodeRecord, decodeRecord },
    onFailure: () => undefined
  })
  const book = await RosterBook.open(join(dir, 'rosters'), authority.peerId, clock)
  const member = new Member(
    { key, book, store, clock, random, log: silentLog(), onFailure: () => undefined },
    { listen: [LOOPBACK], announce: [], gossip: true, boot: random.id(8) }
  )
  await member.start()
  return { key, book, store, member }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'runner-mesh-member-'))
  const authority = generateKey()
  for (const [index] of ROLES.entries()) hosts.push(await startHost(`host-${index}`, authority))
  const entries = hosts.map(({ key, store, member }, index) => {
    const { storeId } = store
    return memberEntry(key.peerId, {
      roles: ROLES[index] ?? [],
      addresses: member.node.addresses(),
      storeId
    })
  })
  const sealed = sealRoster(authority, rosterOf(authority, entries, { lease: 'default' }))
  for (const { book } of hosts) await book.offer(sealed.bytes)
  await eventually('all members linked', () => {
    return hosts.every(({ member }) => member.health().reachable === ROLES.length)
  })
}, 30_000)

afterAll(async () => {
  await Promise.all(hosts.map(({ member }) => member.stop()))
  await Promise.all(hosts.map(({ store }) => store.close()))
  await rm(folder, { recursive: true, force: true })
}, 30_000)

function host(index: number): Host {
  const found = hosts[index]
  if (found === undefined) throw new Error(`no host ${index}`)
  return found
}

function announce(commit: string, jobs: number): SealedAnnouncement {
  const fields = { gwSeq: 1, wallMs: clock.wallMs(), commit }
  return sealRun(host(0).key, { ...fields, jobs: Array.from({ length: jobs }, () => ({})) })
}

async function claim(member: Member, jobId: string, claimId: string) {
  const body = { kind: 'claim', claimId, boot: member.boot, leaseMs: LEASE_MS } as const
  return await member.changeJob(jobId, claimId, body)
}

describe('four members with real connections and real stores', () => {
  test('a run is recorded, claimed by exactly one of three, completed, and seen by all', async () => {
    const gateway = host(0).member
    const agents = [host(1).member, host(2).member, host(3).member]
    const sealed = announce('aa', 1)
    const jobId = jobIdOf(sealed.announcement.runId, 0)

    expect(await gateway.recordRun(sealed)).toEqual(sealed)
    await gateway.publish(sealed)
    await eventually('the run on every board', () => {
      return hosts.every(({ member }) => member.board.job(jobId) !== undefined)
    })
    const claims = await Promise.all(agents.map((agent) => claim(agent, jobId, random.id(16))))
    const won = claims.filter(({ kind, value }, index) => {
      return kind !== 'busy' && value?.lease?.holder === agents[index]?.peerId
    })
    expect(won).toHaveLength(1)
    const holder = agents.find(({ peerId }) => peerId === won[0]?.value?.lease?.holder)
    const lease = won[0]?.value?.lease
    const epoch = won[0]?.value?.epoch ?? 0
    if (holder === undefined || lease === undefined || lease === null) throw new Error('no holder')

    const held = { jobId, epoch, claimId: lease.claimId, stage: STAGE }
    const [renewed] = await holder.renew([held])
    expect(renewed?.oks).toBeGreaterThanOrEqual(renewed?.quorum ?? 9)

    const outcome = succeeded(epoch)
    const { claimId } = lease
    const body = { kind: 'complete', epoch, claimId, outcome } as const
    expect(await holder.changeJob(jobId, random.id(16), body)).toMatchObject({ kind: 'applied' })
    await holder.hint(jobId)
    await eventually('the outcome on every board', () => {
      return hosts.every(({ member }) => member.board.job(jobId)?.state?.phase === 'succeeded')
    })
    const read = await gateway.readJob(jobId)
    expect(read).toMatchObject({ kind: 'chosen', state: { phase: 'succeeded', epoch } })
  }, 20_000)

  test('every member says that all its witnesses can be reached', () => {
    for (const { member } of hosts) {
      expect(member.health()).toMatchObject({ w: 3, quorum: 2, reachable: 4, hasQuorum: true })
    }
  })

  test('a hundred jobs are claimed one after the other, each within its time', async () => {
    const [gateway, agent] = [host(0).member, host(1).member]
    const sealed = announce('bb', CLAIMS)
    await gateway.recordRun(sealed)
    await eventually(
      'the run on the board',
      () => {
        return agent.board.run(sealed.announcement.runId) !== undefined
      },
      15_000
    )
    const times: number[] = []
    for (let index = 0; index < CLAIMS; index += 1) {
      const startedAt = performance.now()
      const claimed = await claim(agent, jobIdOf(sealed.announcement.runId, index), random.id(16))
      times.push(performance.now() - startedAt)
      expect(claimed.kind).toBe('applied')
    }

    const sorted = times.toSorted((a, b) => a - b)
    expect(sorted[CLAIMS / 2]).toBeLessThan(CLAIM_MS_MAX)
  }, 60_000)
})

const CLAIMS = 100
/** Far above what a quiet machine needs (see docs/performance.md): this one may be busy. */
const CLAIM_MS_MAX = 500
const STAGE = { name: 'step', step: 1, steps: 1 } as const
