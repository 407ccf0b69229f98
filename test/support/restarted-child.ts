import '../../protocol/host/node20.ts'
import type { NetworkPolicy } from '../../protocol/core/network.ts'
import { AttemptRig, type RigOptions } from './attempt-rig.ts'

/** Networks of its host, and which one the job has. */
export interface ChildNetwork {
  readonly networks: NonNullable<RigOptions['networks']>
  readonly network: NetworkPolicy
}

/*
 * A process that runs one attempt and is killed in the middle of it:
 *   node --import tsx test/support/restarted-child.ts PEER_ID STEPS [TRUST [NETWORK]]
 * STEPS and NETWORK are JSON, TRUST is `trusted` or `untrusted`.
 * It writes one JSON document a line: `{ root, jobId, claimId, progress }` before each step, and
 * `{ line }` for every line that the job wrote. The deadline is renewed by whoever comes next.
 */
const [, , peerId = '', steps = '[]', trust = 'trusted', more] = process.argv
const given = more === undefined ? undefined : (JSON.parse(more) as ChildNetwork)
const say = (document: unknown): void => {
  process.stdout.write(`${JSON.stringify(document)}\n`)
}
const rig = await AttemptRig.open(
  given === undefined ? { peerId } : { peerId, networks: given.networks }
)
const attempt = await rig.start({
  steps: JSON.parse(steps),
  trust: trust === 'untrusted' ? 'untrusted' : 'trusted',
  ...(given === undefined ? {} : { spec: { network: given.network } }),
  deadlineInMs: 25_000,
  onStep: async (progress) => {
    const { root } = rig
    const { jobId, claimId, manifest, spec } = attempt.input
    say({ root, jobId, claimId, manifest, spec, progress })
  },
  onLogged: (line) => say({ line })
})
await attempt.result
