import '../../protocol/host/node20.ts'
import { AttemptRig } from './attempt-rig.ts'

/*
 * A process that runs one attempt and is killed in the middle of it:
 *   node --import tsx test/support/restarted-child.ts PEER_ID STEPS_AS_JSON \
 *     [TRUST [SERVICES_AS_JSON]]
 * It writes one JSON document a line: `{ root, jobId, claimId, progress }` before each step, and
 * `{ line }` for every line that the job wrote. The deadline is renewed by whoever comes next.
 */
const [, , peerId = '', steps = '[]', trust = 'trusted', services = ''] = process.argv
const say = (document: unknown): void => {
  process.stdout.write(`${JSON.stringify(document)}\n`)
}
const rig = await AttemptRig.open({ peerId })
const attempt = await rig.start({
  steps: JSON.parse(steps),
  ...(services === '' ? {} : { spec: { services: JSON.parse(services) } }),
  trust: trust === 'untrusted' ? 'untrusted' : 'trusted',
  deadlineInMs: 25_000,
  onStep: async (progress) => {
    const { root } = rig
    const { jobId, claimId, manifest, spec } = attempt.input
    say({ root, jobId, claimId, manifest, spec, progress })
  },
  onLogged: (line) => say({ line })
})
await attempt.result
