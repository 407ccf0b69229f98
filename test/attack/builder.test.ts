import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AttemptRig, type AttemptWish } from '../support/attempt-rig.ts'
import { BUILDER_ROWS, builderAnswers, builderMarkdown } from './builder-table.ts'
import { answersOf, Probe } from './probe.ts'
import { ROWS } from './table.ts'

const SET_UP_MS = 120_000
/** A user namespace with its maker as root, and mounts and a host name of its own. */
const AS_ROOT = 'unshare -U -r -m -u'

let rig: AttemptRig
let probe: Probe
let strict: ReadonlyMap<string, string>
let outside: ReadonlyMap<string, string>
let inside: ReadonlyMap<string, string>

beforeAll(async () => {
  rig = await AttemptRig.open({ builder: true })
  probe = await Probe.build()
  const commit = await probe.commit(rig)
  strict = await tried('./probe', { commit, trust: 'untrusted' })
  outside = await tried('./probe', { commit, spec: { builder: true } })
  inside = await tried(`${AS_ROOT} ./probe`, { commit, spec: { builder: true } })
}, SET_UP_MS)

async function tried(run: string, wish: AttemptWish): Promise<ReadonlyMap<string, string>> {
  const { result, lines } = await rig.run({ ...wish, steps: [{ run }] })
  expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
  return answersOf(lines.map(({ text }) => text))
}

afterAll(async () => {
  await probe?.remove()
  await rig?.close()
})

describe('a builder of images that means harm', () => {
  test('tries all that the table names', () => {
    const known = new Set(ROWS.map(({ name }) => name))

    expect(Object.keys(BUILDER_ROWS).filter((name) => !known.has(name))).toEqual([])
    expect(new Set(outside.keys())).toEqual(known)
    expect(new Set(inside.keys())).toEqual(known)
  })

  test.each(ROWS)('gets no more than it needs by $name: $what', (row) => {
    expect(builderAnswers(row, 'outside')).toContain(outside.get(row.name))
  })

  test.each(ROWS)('as root of its own namespace gets no more by $name: $what', (row) => {
    expect(builderAnswers(row, 'inside')).toContain(inside.get(row.name))
  })

  test('has what it builds with, or all of the above says nothing', () => {
    for (const name of ['unshare_user', 'unshare_mount', 'chroot']) {
      expect(inside.get(name), name).toBe('OPEN')
    }
  })

  test('and where it is not as a stranger is said to the reader', () => {
    const table = builderMarkdown(strict, outside, inside)
    process.stdout.write(`\n${table}\n`)

    expect(table.split('\n').length).toBeGreaterThan(10)
  })
})
