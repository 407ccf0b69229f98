import '../../protocol/host/node20.ts'
import type { JobOpBody } from '../../protocol/core/job.ts'
import { jobIdOf } from '../../protocol/core/run.ts'
import type { HeldLease } from '../../protocol/mesh/board/job-access.ts'
import { sealTogether } from '../../protocol/wire/announcement.ts'
import { eventually } from '../support/eventually.ts'
import { succeeded } from '../support/memory-members.ts'
import { announcedRun } from '../support/memory-mesh.ts'
import {
  type BenchMember,
  clock,
  type MemberFolder,
  random,
  startBenchMember
} from './bench-member.ts'
import { answerCalls } from './child-calls.ts'
import { runWindow, type WindowOptions } from './window.ts'

/* The member that records and claims in `bench -- claims`: a gateway and an agent at once. */

const LEASE_MS = 30_000
const EPOCH = 1

let host: BenchMember | undefined
let gwSeq = 0

const started = (): BenchMember => {
  if (host === undefined) throw new Error('not started')
  return host
}

/** Records a run of one job, as a gateway does before it answers a delivery. */
async function record({ key, rooms }: BenchMember): Promise<string> {
  gwSeq += 1
  const commit = random.id(20)
  const run = announcedRun(key, { jobs: [{}], commit, gwSeq, wallMs: clock.wallMs() })
  const sealed = await sealTogether(key, run)
  await rooms.recorder.record(sealed)
  return jobIdOf(sealed.announcement.runId, 0)
}

async function change({ rooms }: BenchMember, jobId: string, body: JobOpBody): Promise<void> {
  const { kind } = await rooms.jobs.change(jobId, random.id(16), body)
  if (kind !== 'applied') throw new Error(`${body.kind} of ${jobId}: ${kind}`)
}

async function claim(member: BenchMember, jobId: string): Promise<HeldLease> {
  const claimId = random.id(16)
  const { boot } = member
  await change(member, jobId, { kind: 'claim', claimId, boot, leaseMs: LEASE_MS })
  return { jobId, epoch: EPOCH, claimId, stage: { name: 'step', step: 1, steps: 1 } }
}

async function renew({ rooms }: BenchMember, leases: readonly HeldLease[]): Promise<void> {
  for (const { jobId, oks, quorum, ...rest } of await rooms.jobs.renew(leases)) {
    if (oks < quorum)
      throw new Error(`renewal of ${jobId}: ${oks} of ${quorum} ${JSON.stringify(rest)}`)
  }
}

async function complete(member: BenchMember, { jobId, epoch, claimId }: HeldLease): Promise<void> {
  await change(member, jobId, { kind: 'complete', epoch, claimId, outcome: succeeded(EPOCH) })
}

/** One job from the record to its end; gives the milliseconds of its claim. */
async function cycle(): Promise<number> {
  const member = started()
  const jobId = await record(member)
  const startedAt = performance.now()
  const lease = await claim(member, jobId)
  const claimMs = performance.now() - startedAt
  await renew(member, [lease])
  await complete(member, lease)
  return claimMs
}

const held: HeldLease[] = []

answerCalls(
  {
    start: async (folder: MemberFolder) => {
      host = await startBenchMember(folder)
      const { key, node, store } = host
      return [{ peerId: key.peerId, storeId: store.storeId, addresses: node.addresses() }]
    },
    roster: (hex: string) => started().book.offer(Buffer.from(hex, 'hex')),
    linked: (members: number) =>
      eventually('all linked', () => started().rooms.linked().size >= members),
    window: (options: WindowOptions) => runWindow(options, cycle),
    /** Leases for a stretch of renewals alone. */
    hold: async (count: number) => {
      for (let index = 0; index < count; index++) {
        held.push(await claim(started(), await record(started())))
      }
    },
    /** Renews all of them that many times; gives the renewals made. */
    renewals: async (rounds: number) => {
      for (let round = 0; round < rounds; round++) {
        for (const lease of held) await renew(started(), [lease])
      }
      return rounds * held.length
    },
    /** Ends them. */
    release: async () => {
      for (const lease of held.splice(0)) await complete(started(), lease)
    }
  },
  async () => await host?.stop()
)
