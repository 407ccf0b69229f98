import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { findMutation } from './mutation-run.ts'
import { MUTATIONS } from './mutations.ts'
import { patched } from './patch.ts'
import { SCHEDULES } from './schedules.ts'
import { World } from './world.ts'

/*
 * All mutations take minutes: `npm run test:mutations`. Here are those that show at once, and what
 * must hold of every one of them.
 */

const ROOT = resolve(import.meta.dirname, '../..')

describe('a rule that is left out', () => {
  test.each(MUTATIONS.map((mutation) => [mutation.name, mutation] as const))(
    '%s is still to be found in the source',
    (_name, { patches }) => {
      for (const file of new Set(patches.map((patch) => patch.file))) {
        const text = readFileSync(resolve(ROOT, file), 'utf8')
        const own = patches.filter((patch) => patch.file === file)
        expect(patched(text, own)).not.toBe(text)
      }
    }
  )

  test('has a name of its own', () => {
    expect(new Set(MUTATIONS.map(({ name }) => name)).size).toBe(MUTATIONS.length)
  })

  test.each(['NOGUARD', 'NOPROMISE', 'RULE2', 'STALERENEW'])('%s is found', async (name) => {
    const mutation = MUTATIONS.find((one) => one.name === name)
    expect(mutation).toBeDefined()
    if (mutation === undefined) return
    expect((await findMutation(mutation, 100)).found).toBeDefined()
  })
})

describe('a patch', () => {
  const patch = { file: 'x.ts', find: 'one', replace: 'two' }

  test('fits exactly once', () => {
    expect(patched('a one b', [patch])).toBe('a two b')
    expect(() => patched('a b', [patch])).toThrow('x.ts has 0 times')
    expect(() => patched('one one', [patch])).toThrow('x.ts has 2 times')
  })
})

describe('a schedule', () => {
  test.each(Object.entries(SCHEDULES))('%s breaks nothing by itself', (_name, change) => {
    for (let seed = 1; seed <= 20; seed += 1) {
      expect(new World(seed, change).run().violation).toBeUndefined()
    }
  })
})
