import { expect, test } from 'vitest'
import { KEPT_SEEDS } from './kept-seeds.ts'
import { World } from './world.ts'

test.each(KEPT_SEEDS.map((kept) => [kept.seed, kept] as const))(
  'seed %s, which once broke an invariant, breaks none',
  (seed, { options }) => {
    const { violation } = new World(seed, (drawn) => ({ ...drawn, ...options })).run()

    expect(violation).toBeUndefined()
  }
)
