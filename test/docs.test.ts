import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { MESH_ERRORS } from '../protocol/core/errors.ts'
import * as limits from '../protocol/core/limits.ts'

/* Documents and code say the same, in both directions. */

const DOCS = resolve(import.meta.dirname, '..', 'docs')
const read = (name: string): string => readFileSync(join(DOCS, name), 'utf8')

const headings = (text: string): string[] =>
  [...text.matchAll(/^## ([A-Z0-9_]+)$/gm)].map((match) => match[1] ?? '')

test('docs/errors.md has a heading for each error code and for nothing else', () => {
  expect(new Set(headings(read('errors.md')))).toEqual(new Set(Object.keys(MESH_ERRORS)))
})

test('docs/limits.md has each limit with its value and nothing else', () => {
  const rows = [...read('limits.md').matchAll(/^\| `([A-Z0-9_]+)` \| ([^|]*) \|/gm)]
  const documented = Object.fromEntries(rows.map((row) => [row[1] ?? '', row[2]?.trim()]))
  const real = Object.fromEntries(
    Object.entries(limits).map(([name, value]) => [name, String(value)])
  )

  expect(documented).toEqual(real)
})

test('every decision is numbered once and has a status', () => {
  const names = readdirSync(join(DOCS, 'decisions')).sort((a, b) => (a < b ? -1 : 1))
  const numbers = names.map((name) => Number(name.slice(0, 4)))

  expect(numbers).toEqual(names.map((_, index) => index + 1))
  for (const name of names) expect(read(`decisions/${name}`), name).toMatch(/^Accepted/m)
})

test('every dependency has its reason in docs/dependencies.md', () => {
  const manifest = JSON.parse(readFileSync(resolve(DOCS, '..', 'package.json'), 'utf8')) as Record<
    'dependencies' | 'devDependencies',
    Record<string, string>
  >
  const text = read('dependencies.md')
  const names = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.devDependencies)]

  expect(names.filter((name) => !text.includes(`\`${name}\``))).toEqual([])
})
