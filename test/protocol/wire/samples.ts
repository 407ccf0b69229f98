import type { JobOpBody, JobState, Outcome } from '../../../protocol/core/job.ts'
import type { Roster } from '../../../protocol/core/roster.ts'
import type { Announcement, RunState } from '../../../protocol/core/run.ts'
import type { MeshKey } from '../../../protocol/wire/keys.ts'
import { runIdOfOrigin } from '../../../protocol/wire/run-id.ts'
import { signerOf } from '../../../protocol/wire/signer.ts'

/** One plausible value of each kind, for tests that change one thing about it. */

export const RUN_ID = '7K3QF2ABCDEFGHJKMNPQRSTVWX'
export const JOB_ID = `${RUN_ID}.0`
export const HASH = 'ab'.repeat(32)
export const OP_ID = '01'.repeat(16)
export const CLAIM_ID = '02'.repeat(16)
export const BOOT = '03'.repeat(8)

export const OUTCOME: Outcome = {
  epoch: 1,
  state: 'failed',
  reason: 'exit_code',
  exitCode: 2,
  message: 'step "test" ended with exit code 2',
  steps: [{ name: 'test', state: 'failed', exitCode: 2, durationMs: 1_234 }],
  durationMs: 2_345,
  logDigest: HASH,
  logLines: 17
}

/** A job after `body` by `key`; no reducer would make it, but it has an encoding. */
export function jobAfter(key: MeshKey, body: JobOpBody, changes: Partial<JobState> = {}): JobState {
  const op = signerOf(key).jobOp(JOB_ID, OP_ID, body)
  return {
    kind: 'job',
    register: JOB_ID,
    version: 1,
    prevHash: '',
    annHash: HASH,
    phase: 'queued',
    epoch: 0,
    attempts: 0,
    attemptsMax: 3,
    lease: undefined,
    cancel: undefined,
    outcome: undefined,
    history: [],
    lastOps: [{ opId: op.opId, actor: op.actor }],
    op,
    moved: undefined,
    ...changes
  }
}

export function runBy(key: MeshKey): RunState {
  const op = signerOf(key).runOp(RUN_ID, OP_ID, { kind: 'create', annHash: HASH })
  return {
    kind: 'run',
    register: RUN_ID,
    version: 1,
    prevHash: '',
    phase: 'run',
    annHash: HASH,
    op
  }
}

export function announcementBy(key: MeshKey): Announcement {
  const origin = {
    forgeHost: 'git.example:3000',
    repositoryId: '/team/app',
    event: 'push',
    ref: 'refs/heads/main',
    commit: 'c0ffee'.padEnd(40, '0'),
    number: '',
    action: '',
    rerunNonce: ''
  } as const
  return {
    runId: runIdOfOrigin(origin),
    witnessEpoch: 1,
    gateway: key.peerId,
    gwSeq: 1,
    issuedAtMs: 1_700_000_000_000,
    notAfterMs: 1_700_086_400_000,
    floor: 0,
    manifest: {
      origin,
      repository: 'app',
      url: 'git://git.example/team/app',
      before: '',
      pusher: 'ada',
      title: 'Make it fast',
      jobs: [
        {
          index: 0,
          name: 'test',
          image: 'alpine:3.20',
          platform: undefined,
          emulation: 'allow',
          resources: { cpuMilli: 1_000, memoryBytes: 2_147_483_648, diskBytes: undefined },
          labels: {},
          env: { CI: 'true' },
          timeoutMs: 3_600_000,
          onLoss: 'retry',
          network: 'none',
          steps: [{ name: 'test', run: 'make test', timeoutMs: undefined }]
        }
      ],
      error: undefined,
      trust: 'trusted'
    }
  }
}

export function rosterOf(authority: MeshKey, member: MeshKey): Roster {
  return {
    version: 1,
    prevHash: '',
    witnessEpoch: 1,
    w: 1,
    lease: 'default',
    authority: authority.peerId,
    members: [
      {
        peerId: member.peerId,
        name: 'alpha',
        roles: ['agent', 'witness'],
        addresses: ['/ip4/127.0.0.1/tcp/4471'],
        witness: { storeId: '04'.repeat(16), zone: 'rack-1' },
        notAfterMs: 1_800_000_000_000
      }
    ],
    revoked: []
  }
}
