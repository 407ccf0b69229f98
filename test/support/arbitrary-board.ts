import fc from 'fast-check'
import type { Advertisement, Capacity } from '../../protocol/core/advertisement.ts'
import type { AgentState } from '../../protocol/core/agent-state.ts'
import type { GpuRequest } from '../../protocol/core/gpu-request.ts'
import type { HostPolicy, JobOrigin } from '../../protocol/core/host-policy.ts'
import type { ImagePlatforms } from '../../protocol/core/images-lacking.ts'
import { ASKED_LEVELS, ISOLATION_LEVELS, type Isolation } from '../../protocol/core/isolation.ts'
import type { JobOpBody, JobState, Outcome } from '../../protocol/core/job.ts'
import { reduceJob } from '../../protocol/core/job-reducer.ts'
import type { LinkState } from '../../protocol/core/observation.ts'
import { type AgentView, observe } from '../../protocol/core/observation.ts'
import type { JobSpec, Manifest, SealedAnnouncement } from '../../protocol/core/run.ts'
import { gpuRequests, gpuRooms } from './arbitrary-gpu-rooms.ts'
import { plainDigest } from './plain-digest.ts'
import { plainSigner } from './plain-signer.ts'

export const GIB = 2 ** 30

export function sampleSpec(patch: Partial<JobSpec> = {}): JobSpec {
  return {
    index: 0,
    name: 'build',
    image: 'debian:13',
    platform: undefined,
    emulation: 'allow',
    resources: { cpuMilli: 1_000, memoryBytes: GIB },
    labels: {},
    env: {},
    timeoutMs: 60_000,
    onLoss: 'retry',
    network: 'none',
    steps: [{ name: 'say', run: 'echo hi', timeoutMs: undefined }],
    ...patch
  }
}

export const SAMPLE_ORIGIN: JobOrigin = {
  repository: 'team/kernel',
  url: 'https://git.example/team/kernel',
  event: 'push',
  ref: 'refs/heads/main',
  author: 'lena'
}

const ROOM: Capacity = { cpuMilli: 4_000, memoryBytes: 8 * GIB, diskBytes: 40 * GIB, jobs: 2 }

export function sampleAd(patch: Partial<Advertisement> = {}): Advertisement {
  return {
    peerId: 'peer-onyx',
    name: 'onyx',
    boot: '0'.repeat(16),
    sequence: 1,
    state: 'idle',
    version: '0.1.0',
    platforms: [{ name: 'linux/amd64', native: true }],
    networks: [],
    labels: {},
    isolation: { offered: 'runc', required: undefined },
    diskLimit: 'soft',
    policy: undefined,
    closing: undefined,
    capacity: ROOM,
    free: ROOM,
    diskFreeBytes: 100 * GIB,
    engine: '20.10',
    jobs: [],
    sentAtMs: 0,
    leaving: false,
    ...patch
  }
}

export function sampleView(
  patch: Partial<Advertisement> = {},
  seen: { readonly silentMs?: number; readonly link?: LinkState } = {}
): AgentView {
  const sighting = { advertisement: sampleAd(patch), heardAtMs: 0, link: seen.link ?? 'up' }
  return { ...sighting, observed: observe(sighting, seen.silentMs ?? 0) }
}

export interface SampleRun {
  readonly runId: string
  readonly issuedAtMs?: number
  readonly jobs?: readonly JobSpec[]
  readonly manifest?: Partial<Manifest>
}

export function sampleRun(run: SampleRun): SealedAnnouncement {
  const { runId, issuedAtMs = 0 } = run
  const jobs = (run.jobs ?? [sampleSpec()]).map((spec, index) => ({ ...spec, index }))
  const origin = {
    forgeHost: 'git.example',
    repositoryId: '/team/kernel',
    event: 'push',
    ref: 'refs/heads/main',
    commit: 'a'.repeat(40),
    number: '',
    action: '',
    rerunNonce: ''
  } as const
  const manifest: Manifest = {
    origin,
    repository: 'team/kernel',
    url: 'https://git.example/team/kernel',
    before: '0'.repeat(40),
    pusher: 'lena',
    title: 'sched: fix wakeup',
    jobs,
    error: undefined,
    trust: 'trusted',
    ...run.manifest
  }
  const announcement = {
    runId,
    witnessEpoch: 1,
    gateway: 'peer-gateway',
    gwSeq: 1,
    issuedAtMs,
    notAfterMs: issuedAtMs + 86_400_000,
    floor: 0,
    manifest
  }
  return { announcement, annHash: annHashOf(runId), bytes: new Uint8Array(0) }
}

function annHashOf(runId: string): string {
  return plainDigest().text(runId)
}

/** A job's register, moved on by real operations. */
export class SampleJob {
  readonly #digest = plainDigest()
  readonly #register: string
  #ops = 0
  state: JobState | undefined

  constructor(register: string, retriesMax = 0) {
    this.#register = register
    const annHash = annHashOf(register.split('.')[0] ?? '')
    this.apply('peer-gateway', { kind: 'create', annHash, attemptsMax: 3, retriesMax })
  }

  apply(actor: string, body: JobOpBody): JobState {
    this.#ops += 1
    const op = plainSigner(actor, this.#digest).jobOp(this.#register, `op-${this.#ops}`, body)
    const reduction = reduceJob(this.state, this.#register, op, this.#digest)
    if (reduction.kind !== 'next') throw new Error(`the operation had no effect: ${reduction.kind}`)
    this.state = reduction.value
    return reduction.value
  }

  claim(holder: string): JobState {
    const claimId = `claim-${this.#ops}`
    return this.apply(holder, { kind: 'claim', claimId, boot: '0'.repeat(16), leaseMs: 30_000 })
  }

  release(userCodeRan: boolean): JobState {
    const { holder, claimId, epoch } = this.#lease()
    const body = {
      kind: 'release',
      epoch,
      claimId,
      reason: 'image_unavailable',
      userCodeRan
    } as const
    return this.apply(holder, body)
  }

  complete(state: Outcome['state'], message = ''): JobState {
    const { holder, claimId, epoch } = this.#lease()
    const outcome: Outcome = {
      epoch,
      state,
      reason: state === 'failed' ? 'exit_code' : 'completed',
      exitCode: state === 'failed' ? 1 : 0,
      message,
      steps: [],
      durationMs: 10,
      logDigest: '',
      logLines: 0
    }
    return this.apply(holder, { kind: 'complete', epoch, claimId, outcome })
  }

  #lease(): { readonly holder: string; readonly claimId: string; readonly epoch: number } {
    const { lease, epoch } = this.state ?? {}
    if (lease === undefined || epoch === undefined) throw new Error('the job is not leased')
    return { holder: lease.holder, claimId: lease.claimId, epoch }
  }
}

/**
 * `usual` for five of six. Of hosts that are drawn at random in everything, hardly one could take a
 * job that is: what is said of the others would be all that a test looks at.
 */
const mostly = <Value>(usual: Value, others: fc.Arbitrary<Value>): fc.Arbitrary<Value> =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: others })

const maybe = <Value>(others: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  mostly<Value | undefined>(undefined, others)

const oneOf = (pattern: string) => mostly<readonly string[]>([], fc.constant([pattern]))
const policies: fc.Arbitrary<HostPolicy> = fc.record({
  repositories: fc.constantFrom([], ['team/*'], ['other/*']),
  refs: oneOf('main'),
  events: oneOf('push'),
  authors: oneOf('nobody'),
  images: oneOf('docker.io/library/*'),
  registries: oneOf('docker.io'),
  pinned: mostly(false, fc.constant(true)),
  trustedOnly: fc.boolean()
})

/** Of the image of `sampleSpec`, and of one that no job has. */
const lacking = fc.subarray([
  { image: 'debian:13', platforms: ['linux/arm64', 'linux/riscv64'] },
  { image: 'other:1', platforms: ['linux/s390x'] }
])

const platforms = fc.constantFrom('linux/amd64', 'linux/arm64', 'linux/arm/v6', 'linux/riscv64')
const labels = fc.dictionary(
  fc.constantFrom('site', 'gpu', 'disk', 'constructor'),
  fc.constantFrom('a', 'b')
)
const amounts = {
  cpuMilli: fc.integer({ min: 0, max: 8_000 }),
  memoryBytes: fc.integer({ min: 0, max: 8 * GIB }),
  diskBytes: fc.integer({ min: 0, max: 40 * GIB })
}

export const arbitraryCapacity: fc.Arbitrary<Capacity> = fc.record({
  ...amounts,
  jobs: fc.integer({ min: 0, max: 4 })
})

const levels = fc.constantFrom(...ISOLATION_LEVELS)

export const arbitraryIsolation: fc.Arbitrary<Isolation> = fc.record({
  offered: levels,
  levels: fc.subarray([...ISOLATION_LEVELS]),
  required: fc.option(levels, { nil: undefined })
})

export const arbitrarySpec: fc.Arbitrary<JobSpec> = fc
  .record({
    platform: mostly<string | undefined>(undefined, platforms),
    emulation: fc.constantFrom('allow', 'forbid'),
    resources: mostly({ cpuMilli: 1_000, memoryBytes: GIB, diskBytes: GIB }, fc.record(amounts)),
    labels: mostly({}, labels),
    isolation: maybe(fc.constantFrom(...ASKED_LEVELS)),
    gpu: fc.option(mostly<GpuRequest>({ count: 1 }, gpuRequests), { nil: undefined, freq: 2 })
  })
  .map(({ gpu, ...spec }) => sampleSpec({ ...spec, ...(gpu === undefined ? {} : { gpu }) }))

const USUAL_PLATFORMS = [
  { name: 'linux/amd64', native: true },
  { name: 'linux/arm64', native: false }
]

/** Agents with different peer ids, in any state; most could take most jobs, but for one thing. */
export const arbitraryAgents: fc.Arbitrary<readonly AgentView[]> = fc
  .uniqueArray(
    fc.record({
      id: fc.integer({ min: 0, max: 50 }),
      state: mostly<AgentState>('idle', fc.constantFrom('starting', 'busy', 'paused', 'draining')),
      platforms: mostly(
        USUAL_PLATFORMS,
        fc.array(fc.record({ name: platforms, native: fc.boolean() }), { maxLength: 3 })
      ),
      labels,
      isolation: mostly<Isolation>({ offered: 'runc', required: undefined }, arbitraryIsolation),
      capacity: mostly(ROOM, arbitraryCapacity),
      free: mostly(ROOM, arbitraryCapacity),
      gpuRoom: fc.option(gpuRooms, { nil: undefined, freq: 2 }),
      policy: fc.option(policies, { nil: undefined, freq: 2 }),
      closing: maybe(
        fc.record({ by: fc.constantFrom('hours', 'load'), text: fc.constant('closed') })
      ),
      imagesLacking: mostly<readonly ImagePlatforms[]>([], lacking),
      silentMs: mostly(0, fc.integer({ min: 0, max: 150_000 }))
    }),
    { selector: ({ id }) => id, maxLength: 8 }
  )
  .map((agents) =>
    agents.map(({ id, silentMs, gpuRoom, ...rest }) =>
      sampleView({ ...rest, ...gpuRoom, peerId: `peer-${id}`, name: `agent-${id}` }, { silentMs })
    )
  )
