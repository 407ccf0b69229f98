import '../../protocol/host/node20.ts'
import { join } from 'node:path'
import type { JobOpBody } from '../../protocol/core/job.ts'
import { jobIdOf } from '../../protocol/core/run.ts'
import type { HeldLease } from '../../protocol/mesh/job-access.ts'
import { eventually } from '../support/eventually.ts'
import { succeeded } from '../support/memory-members.ts'
import { sealRun } from '../support/memory-mesh.ts'
import {
  type BenchMember,
  clock,
  type MemberFolder,
  random,
  startBenchMember
} from './bench-member.ts'
import { answerCalls } from './child-calls.ts'
import { runWindow, type WindowOptions } from './window.ts'

/* The gateways and agents of `bench -- claims`, in one process. */

/** Members that record and claim; what one member may ask of a witness is bounded. */
const MEMBERS = 2
const LEASE_MS = 30_000
const EPOCH = 1

const hosts: BenchMember[] = []
let gwSeq = 0

function hostOf(index: number): BenchMember {
  const host = hosts[index % hosts.length]
  if (host === undefined) throw new Error('not started')
  return host
}

/** Records a run of one job, as a gateway does before it answers a delivery. */
async function record({ key, rooms }: BenchMember): Promise<string> {
  gwSeq += 1
  const commit = random.id(20)
  const sealed = sealRun(key, { jobs: [{}], commit, gwSeq, wallMs: clock.wallMs() })
  await rooms.recorder.record(sealed)
  return jobIdOf(sealed.announcement.runId, 0)
}

async function change({ rooms }: BenchMember, jobId: string, body: JobOpBody): Promise<void> {
  const { kind } = await rooms.jobs.change(jobId, random.id(16), body)
  if (kind !== 'applied') throw new Error(`${body.kind} of ${jobId}: ${kind}`)
}

async function claim(host: BenchMember, jobId: string): Promise<HeldLease> {
  const claimId = random.id(16)
  const { boot } = host
  await change(host, jobId, { kind: 'claim', claimId, boot, leaseMs: LEASE_MS })
  return { jobId, epoch: EPOCH, claimId, stage: { name: 'step', step: 1, steps: 1 } }
}

async function renew({ rooms }: BenchMember, leases: readonly HeldLease[]): Promise<void> {
  for (const { jobId, oks, quorum, ...rest } of await rooms.jobs.renew(leases)) {
    if (oks < quorum)
      throw new Error(`renewal of ${jobId}: ${oks} of ${quorum} ${JSON.stringify(rest)}`)
  }
}

async function complete(host: BenchMember, { jobId, epoch, claimId }: HeldLease): Promise<void> {
  await change(host, jobId, { kind: 'complete', epoch, claimId, outcome: succeeded(EPOCH) })
}

/** One job from the record to its end; gives the milliseconds of its claim. */
async function cycle(index: number): Promise<number> {
  const host = hostOf(index)
  const jobId = await record(host)
  const startedAt = performance.now()
  const lease = await claim(host, jobId)
  const claimMs = performance.now() - startedAt
  await renew(host, [lease])
  await complete(host, lease)
  return claimMs
}

const held: HeldLease[] = []

answerCalls(
  {
    start: async ({ dir, authority }: MemberFolder) => {
      for (let index = 0; index < MEMBERS; index++) {
        hosts.push(await startBenchMember({ dir: join(dir, `${index}`), authority }))
      }
      return hosts.map(({ key, node, store }) => {
        return { peerId: key.peerId, storeId: store.storeId, addresses: node.addresses() }
      })
    },
    roster: (hex: string) =>
      Promise.all(hosts.map(({ book }) => book.offer(Buffer.from(hex, 'hex')))),
    linked: (members: number) =>
      eventually('all linked', () => {
        return hosts.every(({ rooms }) => rooms.linked().size >= members)
      }),
    window: (options: WindowOptions) => runWindow(options, cycle),
    /** Leases for a stretch of renewals alone. */
    hold: async (count: number) => {
      for (let index = 0; index < count; index++) {
        const host = hostOf(0)
        held.push(await claim(host, await record(host)))
      }
    },
    /** Renews all of them that many times; gives the renewals made. */
    renewals: async (rounds: number) => {
      for (let round = 0; round < rounds; round++) {
        for (const lease of held) await renew(hostOf(0), [lease])
      }
      return rounds * held.length
    },
    /** Ends them. */
    release: async () => {
      for (const lease of held.splice(0)) await complete(hostOf(0), lease)
    }
  },
  async () => {
    for (const host of hosts) await host.stop()
  }
)
