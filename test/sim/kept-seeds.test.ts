import { expect, test } from 'vitest'
import { KEPT_SEEDS } from './kept-seeds.ts'
import type { WorldOptions } from './options.ts'
import { SCHEDULES } from './schedules.ts'
import { World } from './world.ts'

test.each(KEPT_SEEDS.map((kept) => [kept.seed, kept] as const))(
  'seed %s, which once broke an invariant, breaks none',
  (seed, { options, schedule }) => {
    const made = schedule === undefined ? undefined : SCHEDULES[schedule]
    const change = (drawn: WorldOptions) => ({ ...(made?.(drawn) ?? drawn), ...options })
    const { violation } = new World(seed, change).run()

    expect(violation).toBeUndefined()
  }
)
