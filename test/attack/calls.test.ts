import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AttemptRig } from '../support/attempt-rig.ts'
import { answersOf, Probe } from './probe.ts'
import { markdown, ROWS } from './table.ts'

const SET_UP_MS = 120_000

let rig: AttemptRig
let probe: Probe
let ours: ReadonlyMap<string, string>
let defaults: ReadonlyMap<string, string>
let version: string

beforeAll(async () => {
  rig = await AttemptRig.open()
  probe = await Probe.build()
  const commit = await probe.commit(rig)
  const { result, lines } = await rig.run({ commit, steps: [{ run: './probe' }] })
  expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
  ours = answersOf(lines.map(({ text }) => text))
  defaults = answersOf((await probe.underDefaults(rig)).split('\n'))
  version = (await rig.engine.info()).version
}, SET_UP_MS)

afterAll(async () => {
  await probe.remove()
  await rig.close()
})

describe('a stranger in the box', () => {
  test('tries all that the table names, and nothing else', () => {
    const names = ROWS.map(({ name }) => name)
    const known = new Set(names)

    expect(known.size).toBe(names.length)
    expect(new Set(ours.keys())).toEqual(known)
    expect(new Set(defaults.keys())).toEqual(known)
  })

  test.each(ROWS)('gets no more than it should by $name: $what', ({ name, answers }) => {
    expect(answers).toContain(ours.get(name))
  })

  test("would get more under the engine's defaults, where those are known to be open", () => {
    const major = Number.parseInt(version, 10)
    const open = ROWS.filter(({ openBefore = 0 }) => major < openBefore)
    const lacks = ['EAFNOSUPPORT', 'ENOSYS']

    expect(open.length).toBeGreaterThan(4)
    for (const { name } of open) {
      // What this kernel has not got is open nowhere.
      expect(['OPEN', ...lacks], name).toContain(defaults.get(name))
      expect(defaults.get(name), name).not.toBe(ours.get(name))
    }
  })

  test('and in both columns is said to the reader', () => {
    const table = markdown([
      { head: `engine's defaults (${version})`, answers: defaults },
      { head: '`standard`', answers: ours }
    ])
    process.stdout.write(`\n${table}\n\n${ROWS.length} rows\n`)

    expect(table.split('\n')).toHaveLength(ROWS.length + 2)
    expect(table.match(/\*\*open\*\*/g)?.length).toBeGreaterThan(1)
  })
})
