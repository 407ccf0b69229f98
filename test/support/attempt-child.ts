import '../../protocol/host/node20.ts'
import { AttemptRig } from './attempt-rig.ts'

/*
 * A process that runs one attempt and is killed in the middle of it:
 *   node --import tsx test/support/attempt-child.ts PEER_ID LEASE_MS [loop]
 * It writes `running NAME DEADLINE_BOOT_MS` once the job has spoken, and never renews.
 */
const [, , peerId = '', leaseMs = '', disk = 'watch'] = process.argv
const rig = await AttemptRig.open({ peerId, disk: disk === 'loop' ? 'loop' : 'watch' })
const attempt = await rig.start({
  steps: [{ run: "trap '' TERM; echo on; while :; do sleep 1; done" }],
  deadlineInMs: Number(leaseMs),
  onLine: () => {
    const name = rig.executor.containerName(attempt.input.jobId)
    process.stdout.write(`running ${name} ${attempt.input.deadlineMs()} ${rig.root}\n`)
  }
})
await attempt.result
