import '../../protocol/host/node20.ts'
import type { NetworkPolicy } from '../../protocol/core/network.ts'
import type { JobSpec, SecretRequest, ServiceSpec } from '../../protocol/core/run.ts'
import { AttemptRig, type RigOptions } from './attempt-rig.ts'

/** Networks of its host, and what of its spec is another than usual. */
export interface ChildNetwork {
  readonly networks?: RigOptions['networks']
  readonly network?: NetworkPolicy
  readonly services?: readonly ServiceSpec[]
  readonly secrets?: readonly SecretRequest[]
  readonly runner?: JobSpec['runner']
  /** Their values. */
  readonly values?: Readonly<Record<string, string>>
}

/*
 * A process that runs one attempt and is killed in the middle of it:
 *   node --import tsx test/support/restarted-child.ts PEER_ID STEPS [TRUST [MORE]]
 * STEPS and MORE are JSON, TRUST is `trusted` or `untrusted`.
 * It writes one JSON document a line: `{ root, jobId, claimId, progress }` before each step, and
 * `{ line }` for every line that the job wrote. The deadline is renewed by whoever comes next.
 */
const [, , peerId = '', steps = '[]', trust = 'trusted', more] = process.argv
const given = more === undefined ? undefined : (JSON.parse(more) as ChildNetwork)
const say = (document: unknown): void => {
  process.stdout.write(`${JSON.stringify(document)}\n`)
}
const { networks, values, ...spec } = given ?? {}
const rig = await AttemptRig.open({ peerId, ...(networks === undefined ? {} : { networks }) })
const attempt = await rig.start({
  steps: JSON.parse(steps),
  trust: trust === 'untrusted' ? 'untrusted' : 'trusted',
  spec,
  ...(values === undefined ? {} : { secrets: values }),
  deadlineInMs: 25_000,
  onStep: async (progress) => {
    const { root } = rig
    const { jobId, claimId, manifest, spec } = attempt.input
    say({ root, jobId, claimId, manifest, spec, progress })
  },
  onLogged: (line) => say({ line })
})
await attempt.result
