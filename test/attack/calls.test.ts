import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AttemptRig, type AttemptWish } from '../support/attempt-rig.ts'
import { answersOf, Probe } from './probe.ts'
import { markdown, ROWS } from './table.ts'

const SET_UP_MS = 120_000

let rig: AttemptRig
let probe: Probe
let standard: ReadonlyMap<string, string>
let strict: ReadonlyMap<string, string>
let defaults: ReadonlyMap<string, string>
let version: string

beforeAll(async () => {
  rig = await AttemptRig.open()
  probe = await Probe.build()
  const commit = await probe.commit(rig)
  standard = await tried({ commit, trust: 'trusted' })
  strict = await tried({ commit, trust: 'untrusted' })
  defaults = answersOf((await probe.underDefaults(rig)).split('\n'))
  version = (await rig.engine.info()).version
}, SET_UP_MS)

async function tried(wish: AttemptWish): Promise<ReadonlyMap<string, string>> {
  const { result, lines } = await rig.run({ ...wish, steps: [{ run: './probe' }] })
  expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
  return answersOf(lines.map(({ text }) => text))
}

afterAll(async () => {
  await probe.remove()
  await rig.close()
})

describe('a stranger in the box', () => {
  test('tries all that the table names, and nothing else', () => {
    const names = ROWS.map(({ name }) => name)
    const known = new Set(names)

    expect(known.size).toBe(names.length)
    expect(new Set(standard.keys())).toEqual(known)
    expect(new Set(strict.keys())).toEqual(known)
    expect(new Set(defaults.keys())).toEqual(known)
  })

  test.each(ROWS)('gets no more than it should by $name: $what', ({ name, answers }) => {
    expect(answers).toContain(standard.get(name))
  })

  test.each(ROWS)('gets less still where nobody trusts it, by $name: $what', (row) => {
    expect(row.strict ?? row.answers).toContain(strict.get(row.name))
  })

  test("would get more under the engine's defaults, where those are known to be open", () => {
    const major = Number.parseInt(version, 10)
    const open = ROWS.filter(({ openBefore = 0 }) => major < openBefore)
    const lacks = ['EAFNOSUPPORT', 'ENOSYS']

    expect(open.length).toBeGreaterThan(4)
    for (const { name } of open) {
      // What this kernel has not got is open nowhere.
      expect(['OPEN', ...lacks], name).toContain(defaults.get(name))
      expect(defaults.get(name), name).not.toBe(standard.get(name))
    }
  })

  test('and in all columns is said to the reader', () => {
    const table = markdown([
      { head: `engine's defaults (${version})`, answers: defaults },
      { head: '`standard`', answers: standard },
      { head: '`strict`', answers: strict }
    ])
    process.stdout.write(`\n${table}\n\n${ROWS.length} rows\n`)

    expect(table.split('\n')).toHaveLength(ROWS.length + 2)
    expect(table.match(/\*\*open\*\*/g)?.length).toBeGreaterThan(1)
  })

  test("is stopped before the guard's memory, and before what makes a root of it", () => {
    const names = ['guard_memory', 'chroot', 'chown', 'setuid', 'root_file', 'mknod_char']

    for (const name of names) expect(strict.get(name), name).not.toBe('OPEN')
    expect(strict.get('capabilities')).toBe('0000000000000000')
  })
})
