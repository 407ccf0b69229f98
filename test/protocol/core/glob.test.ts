import fc from 'fast-check'
import { expect, test } from 'vitest'
import { matchesGlob } from '../../../protocol/core/glob.ts'

test.each([
  ['main', 'main', true],
  ['main', 'maine', false],
  ['main', 'domain', false],
  ['*', 'main', true],
  ['*', 'release/1', false],
  ['**', 'release/1/2', true],
  ['release/*', 'release/1.2', true],
  ['release/*', 'release/1/2', false],
  ['release/**', 'release/1/2', true],
  ['release/**', 'release', false],
  ['**/fix', 'fix', true],
  ['**/fix', 'a/b/fix', true],
  ['**/fix', 'a/bugfix', false],
  ['a/**/z', 'a/z', true],
  ['a/**/z', 'a/b/c/z', true],
  ['a/**/z', 'az', false],
  ['v*.*', 'v1.2', true],
  ['v*.*', 'v12', false],
  ['*-fix', 'big-fix', true],
  ['a**z', 'a/b/z', true],
  ['a.b', 'axb', false],
  ['(a|b)+', 'a', false],
  ['*', '', true],
  ['feature/ä*', 'feature/äöü', true]
])('the pattern %s and the branch %s: %s', (pattern, branch, expected) => {
  expect(matchesGlob(pattern, branch)).toBe(expected)
})

test('a name matches itself and everything matches **', () => {
  const names = fc.stringMatching(/^[a-z./-]{1,20}$/)
  fc.assert(
    fc.property(names, (name) => {
      expect(matchesGlob(name, name)).toBe(true)
      expect(matchesGlob('**', name)).toBe(true)
      expect(matchesGlob('*', name)).toBe(!name.includes('/'))
    })
  )
})

/** The same rules by trying every split: slow, and plain to read. */
function says(parts: readonly string[], name: string): boolean {
  const [part, ...rest] = parts
  if (part === undefined) return name === ''
  const heads = Array.from({ length: name.length + 1 }, (_, end) => name.slice(0, end))
  return heads.some((head) => stands(part, head) && says(rest, name.slice(head.length)))
}

function stands(part: string, head: string): boolean {
  if (part === '**') return true
  if (part === '**/') return head === '' || head.endsWith('/')
  return part === '*' ? !head.includes('/') : head === part
}

test('patterns and names of few letters match as the rules say', () => {
  const segment = fc.constantFrom(['a'], ['*'], ['a', '*'], ['**'], ['a', '**', 'b'], ['*', 'b'])
  const deeper = fc.constantFrom(['**/'], ['a', '/'], ['*', '/'], ['b', '*', '/'])
  const patterns = fc.tuple(fc.array(deeper, { maxLength: 3 }), segment).map(([dirs, last]) => {
    return [...dirs.flat(), ...last]
  })
  fc.assert(
    fc.property(patterns, fc.stringMatching(/^[ab/]{0,7}$/), (parts, name) => {
      expect(matchesGlob(parts.join(''), name)).toBe(says(parts, name))
    }),
    { numRuns: 2_000 }
  )
})

test('a hostile pattern takes no longer than its length', () => {
  const pattern = `${'*a**a*'.repeat(42)}c`
  const started = performance.now()
  expect(matchesGlob(pattern, `${'a'.repeat(1_000)}b`)).toBe(false)
  expect(performance.now() - started).toBeLessThan(1_000)
})

test('two stars amid a segment are no segment, whatever follows them', () => {
  expect(matchesGlob('a**/z', 'ab/c/z')).toBe(true)
  expect(matchesGlob('a**/z', 'az')).toBe(false)
  expect(matchesGlob('a/**/', 'a/b/')).toBe(true)
  expect(matchesGlob('a/**/', 'a/b')).toBe(false)
})
