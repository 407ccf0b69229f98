import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { childSeconds, reportOf } from './report.ts'
import { namesOf, SETTINGS, switchesOf } from './switches.ts'
import { TABLE } from './table.ts'

/* The table and the model fit each other; whether the model holds is `npm run test:model`. */

const MODEL = readFileSync(join(import.meta.dirname, 'lease.pml'), 'utf8')

const text = (errors: number, rest = ''): string => `${rest}
(Spin Version 6.5.2 -- 6 December 2019)
State-vector 156 byte, depth reached 801, errors: ${errors}
 1567400 states, stored
  191.080	total actual memory usage
`

test('every switch of the table is asked about in the model, and the other way round', () => {
  const used = new Set(TABLE.flatMap(({ switches }) => namesOf(switches)))
  const mutations = [...switchesOf(MODEL)].filter((name) => !SETTINGS.has(name))

  expect([...used].filter((name) => !switchesOf(MODEL).has(name))).toEqual([])
  expect(mutations.filter((name) => !used.has(name))).toEqual([])
  expect([...SETTINGS].filter((name) => !switchesOf(MODEL).has(name))).toEqual([])
})

test('every mutation is in a row that must find something broken', () => {
  const broken = TABLE.filter(({ expected }) => expected !== 'clean')
  const caught = new Set(broken.flatMap(({ switches }) => namesOf(switches)))
  const mutations = [...switchesOf(MODEL)].filter((name) => !SETTINGS.has(name))

  expect(mutations.length).toBeGreaterThanOrEqual(18)
  expect(mutations.filter((name) => !caught.has(name))).toEqual([])
})

test('every promise that a row expects broken is a promise of the model', () => {
  const promises = new Set([...MODEL.matchAll(/PROMISE\((\w+),/g)].map((match) => match[1]))

  for (const { expected, name } of TABLE) {
    if (expected !== 'clean') expect(promises, name).toContain(expected)
  }
})

test('no two rows have one name or the same switches', () => {
  for (const key of [(at: number) => TABLE[at]?.name, (at: number) => `${TABLE[at]?.switches}`]) {
    expect(new Set(TABLE.map((_, at) => key(at))).size).toBe(TABLE.length)
  }
})

test('a search to the end without a breach is complete and clean', () => {
  expect(reportOf(text(0))).toEqual({
    complete: true,
    broken: undefined,
    states: 1_567_400,
    depth: 801,
    memoryMb: 191.08
  })
})

test('a breach is named by its promise', () => {
  const said = 'pan:1: assertion violated  !(two_containers) (at depth 73)'

  expect(reportOf(text(1, said))).toMatchObject({ complete: true, broken: 'two_containers' })
})

test('a search that met a limit is not complete, whatever it counts as errors', () => {
  for (const cut of [
    'error: max search depth too small',
    'pan: reached -DMEMLIM bound, out of memory'
  ]) {
    expect(reportOf(text(0, cut))?.complete, cut).toBe(false)
  }
})

test('an error that is no broken promise is not complete', () => {
  expect(reportOf(text(1, 'pan:1: invalid end state (at depth 9)'))?.complete).toBe(false)
})

test('a verifier that never came to its end reports nothing', () => {
  expect(reportOf('spin: lease.pml:1, Error: syntax error')).toBeUndefined()
})

test('processor time is that of what the shell started, not its own', () => {
  expect(childSeconds('0m0.00s 0m0.00s\n1m6.50s 0m0.25s\n')).toBeCloseTo(66.75)
})

test('what the shell prints about time is read as it is', () => {
  expect(childSeconds(execFileSync('sh', ['-c', 'times'], { encoding: 'utf8' }))).toBe(0)
})

test('the command of package.json runs the script that installs what is missing', () => {
  const root = resolve(import.meta.dirname, '../..')
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly scripts: Record<string, string>
  }

  expect(scripts['test:model']).toBe('sh deploy/model.sh')
})
