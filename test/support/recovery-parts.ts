import type { AdoptionParts } from '../../agent/claim/adoption.ts'
import { silentLog } from '../../protocol/host/log.ts'
import type { ClaimBench } from './claim-bench.ts'
import type { FakeClock } from './fake-clock.ts'
import type { OneRegister } from './one-register.ts'
import { plainDigest } from './plain-digest.ts'

/** What the recovery of the agent `onyx` works with: its bench, under the boot of that. */
export function recoveryOf(
  mesh: OneRegister,
  bench: ClaimBench,
  clock: FakeClock,
  boot = '00000000000000bb'
): AdoptionParts {
  let ids = 0
  return {
    registers: mesh.member('onyx', boot, clock),
    clock,
    random: {
      next: () => 0.5,
      id: (bytes) => {
        ids += 1
        return `9${ids}`.padStart(bytes * 2, '0')
      }
    },
    digest: plainDigest(),
    log: silentLog(),
    executor: bench.attempts,
    attempts: bench.records,
    gpus: () => bench.gpus.devices,
    adopt: (won) => bench.claimer.adopt(won),
    unexpect: (jobId) => bench.claimer.unexpect(jobId)
  }
}
