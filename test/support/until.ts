import type { FakeClock } from './fake-clock.ts'

/** Steps of fake time that a test may take: two simulated minutes. */
const STEPS_MAX = 2_400
const STEP_MS = 50

/** Moves the fake clock until `held` holds, letting real files and sockets settle in between. */
export async function until(clock: FakeClock, held: () => boolean): Promise<void> {
  for (let step = 0; step < STEPS_MAX; step++) {
    if (held()) return
    await clock.advance(step % 4 === 0 ? STEP_MS : 0)
    await new Promise((resolve) => setImmediate(resolve))
  }
  throw new Error('it never held')
}
