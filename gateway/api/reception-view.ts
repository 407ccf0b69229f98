import type { Reception } from '../source-door.ts'

/** What became of an event, as it is answered. */
export function receptionView({ verdict, delivery, run, reason }: Reception) {
  return {
    verdict,
    delivery: delivery === '' ? null : delivery,
    run: run === '' ? null : run,
    reason
  }
}
