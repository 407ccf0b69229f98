import type { JobOpBody, JobState, Outcome } from '../../protocol/core/job.ts'
import { reduceJob } from '../../protocol/core/job-reducer.ts'
import { jobIdOf, type RunOrigin, type SealedAnnouncement } from '../../protocol/core/run.ts'
import { parsePipeline } from '../../protocol/pipeline/parse-pipeline.ts'
import { sealAnnouncement } from '../../protocol/wire/announcement.ts'
import { digest } from '../../protocol/wire/digest.ts'
import type { MeshKey } from '../../protocol/wire/keys.ts'
import { runIdOfOrigin } from '../../protocol/wire/run-id.ts'
import { jobsOf } from './pipeline.ts'
import { plainSigner } from './plain-signer.ts'

export interface RunWish {
  readonly commit: string
  readonly pipeline: string
  readonly repository?: string
  readonly ref?: string
  readonly issuedAtMs?: number
}

/** A run as a gateway announces it: sealed with its key, jobs read from a pipeline file. */
export function sealedRun(key: MeshKey, wish: RunWish): SealedAnnouncement {
  const repository = wish.repository ?? 'team/kernel'
  const parsed = parsePipeline(new TextEncoder().encode(wish.pipeline), {
    file: '.runner-mesh.yml'
  })
  const origin: RunOrigin = {
    forgeHost: 'forge.example:9418',
    repositoryId: `/${repository}`,
    event: 'push',
    ref: wish.ref ?? 'refs/heads/main',
    commit: wish.commit,
    number: '',
    action: '',
    rerunNonce: ''
  }
  const issuedAtMs = wish.issuedAtMs ?? 1_767_225_600_000
  return sealAnnouncement(key, {
    runId: runIdOfOrigin(origin),
    witnessEpoch: 3,
    gateway: key.peerId,
    gwSeq: 1,
    issuedAtMs,
    notAfterMs: issuedAtMs + 86_400_000,
    floor: 0,
    manifest: {
      origin,
      repository,
      url: `git://forge.example:9418/${repository}.git`,
      before: '0'.repeat(40),
      pusher: 'lena',
      title: 'sched: fix wakeup',
      jobs: parsed.kind === 'ok' ? jobsOf(parsed.pipeline) : [],
      error: parsed.kind === 'error' ? parsed.error : undefined,
      trust: 'trusted'
    }
  })
}

let ops = 0

/** One job's state after what `actor` did, one after the other. */
export function jobLife(
  sealed: SealedAnnouncement,
  index: number,
  ...deeds: readonly (readonly [actor: string, body: JobOpBody])[]
): JobState {
  const register = jobIdOf(sealed.announcement.runId, index)
  const create: JobOpBody = { kind: 'create', annHash: sealed.annHash, attemptsMax: 3 }
  const all = [['gateway', create] as const, ...deeds]
  const state = all.reduce<JobState | undefined>((prev, [actor, body]) => {
    ops += 1
    const op = plainSigner(actor, plainDigest).jobOp(register, `op-${ops}`, body)
    const made = reduceJob(prev, register, op, plainDigest)
    if (made.kind !== 'next') throw new Error(`${body.kind}: ${JSON.stringify(made)}`)
    return made.value
  }, undefined)
  if (state === undefined) throw new Error('no deed')
  return state
}

const plainDigest = { hash: () => 'h', text: (text: string) => digest().text(text) }

export function claimed(claimId = 'c1'): JobOpBody {
  return { kind: 'claim', claimId, boot: 'b', leaseMs: 30_000 }
}

export function completed(change: Partial<Outcome> = {}, claimId = 'c1'): JobOpBody {
  const outcome: Outcome = {
    epoch: 1,
    state: 'succeeded',
    reason: 'completed',
    exitCode: 0,
    message: '',
    steps: [{ name: 'make', state: 'succeeded', exitCode: 0, durationMs: 900 }],
    durationMs: 1_200,
    logDigest: '',
    logLines: 0,
    ...change
  }
  return { kind: 'complete', epoch: outcome.epoch, claimId, outcome }
}
