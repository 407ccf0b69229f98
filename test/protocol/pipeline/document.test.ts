import { expect, test } from 'vitest'
import { readDocument } from '../../../protocol/pipeline/document.ts'
import { formatPath } from '../../../protocol/pipeline/problem.ts'

const utf8 = new TextEncoder()

function read(file: string | Uint8Array) {
  return readDocument(typeof file === 'string' ? utf8.encode(file) : file)
}

/** The value of a file that must be readable. */
function contentOf(file: string): unknown {
  const reading = read(file)
  if (reading.kind === 'problems') throw new Error(reading.problems[0]?.text)
  return reading.tree.value
}

/** `line:column path: text` of the first problem. */
function problemOf(file: string | Uint8Array): string {
  const reading = read(file)
  if (reading.kind === 'tree') return 'no problem'
  const [problem] = reading.problems
  if (problem === undefined) return 'problems without a problem'
  const { place, path, text } = problem
  return `${place.line}:${place.column} ${formatPath(path)}: ${text}`
}

test('values are those of YAML 1.2: yes, on and 1:30 are texts', () => {
  expect(contentOf('on: yes\nat: 1:30\nn: 0x10\noff: false\nnone: ~\nempty:\n')).toEqual({
    on: 'yes',
    at: '1:30',
    n: 16,
    off: false,
    none: null,
    empty: null
  })
})

test('a key named like what every object inherits is a key like any other', () => {
  expect(contentOf('constructor: 1\ntoString: 2')).toEqual({ constructor: 1, toString: 2 })
})

test('Windows line ends and a byte order mark change nothing', () => {
  expect(contentOf('\ufeffa: |\r\n  b\r\n  c\r\n')).toEqual({ a: 'b\nc\n' })
})

test('an alias stands for what its anchor holds, the latest of that name', () => {
  expect(contentOf('a: &x [1]\nb: *x\nc: &x [2]\nd: *x\ne: &y 5\nf: *y')).toEqual({
    a: [1],
    b: [1],
    c: [2],
    d: [2],
    e: 5,
    f: 5
  })
})

test.each([
  ['nothing', '', '1:1 : the file is empty'],
  ['only a comment', '# todo\n', '1:1 : the file is empty'],
  ['a key twice', 'a: 1\nb:\n  c: 1\n  c: 2\n', '4:3 b.c: the key "c" is here twice'],
  ['a key twice, once quoted', '{a: 1, "a": 2}', '1:8 a: the key "a" is here twice'],
  ['a number as key', 'a:\n  1: x', '2:3 a: a key must be text: put it in quotes'],
  ['a list as key', '? [a]\n: b', '1:3 : a key must be text'],
  ['no key', ': b', '1:1 : a key must be text'],
  ['a merge key', 'a:\n  <<: {b: 1}', '2:3 a["<<"]: merge keys are not YAML 1.2'],
  ['the key of all objects', 'a:\n  __proto__: 1', '2:3 a.__proto__: this key is refused'],
  ['an unknown anchor', 'a: *b', '1:4 a: no anchor "b" above'],
  ['an anchor below', 'a: *b\nb: &b 1', '1:4 a: no anchor "b" above'],
  ['an alias in itself', 'a: &b [*b]', '1:8 a[0]: an alias to a part around it'],
  ['a tab', 'a:\n\tb: 1', '2:1 a: not valid YAML: indentation by a tab'],
  ['an open list', 'a: [1,\nb: 2', '2:1 b: not valid YAML'],
  ['an open quote', 'a: "x', '1:6 a: not valid YAML: Missing closing "quote'],
  ['a bad escape', 'a: "\\q"', '1:5 a: not valid YAML: Invalid escape sequence \\q'],
  ['an unknown tag', 'a: !ruby/object x', '1:4 a: not valid YAML: this tag is not known'],
  ['a directive', '%YAML 1.1\n---\na: 1', '1:1 : a pipeline file has no % directives'],
  ['two documents', 'a: 1\n---\nb: 2', '2:1 : the file holds several documents'],
  ['a control character', 'a: 1\nb: \u0007', '2:4 : control character 0x07: remove it']
])('%s is a problem with its place', (_what, file, problem) => {
  expect(problemOf(file)).toContain(problem)
})

test.each([
  ['Latin-1', new Uint8Array([0x61, 0x3a, 0x0a, 0x20, 0xe4]), '2:1'],
  ['UTF-16', new Uint8Array([0xff, 0xfe, 0x61, 0x00]), '1:1'],
  ['half a character', new Uint8Array([0x61, 0x3a, 0x0a, 0x0a, 0xe2, 0x82]), '3:1']
])('%s is refused, with the line', (_what, bytes, place) => {
  expect(problemOf(bytes)).toBe(`${place} : the file is not UTF-8: save it as UTF-8`)
})

test('a file of the most bytes is read, one more is refused unread', () => {
  const head = 'a: 1\n#'
  expect(contentOf(head + 'x'.repeat(262_144 - head.length))).toEqual({ a: 1 })
  expect(problemOf(head + 'x'.repeat(262_145 - head.length))).toContain('at most 262144')
})

test('fifty aliases are resolved, one more is refused', () => {
  const file = (count: number) => `a: &a 1\nb: [${Array(count).fill('*a').join(', ')}]`
  expect(contentOf(file(50))).toEqual({ a: 1, b: Array(50).fill(1) })
  expect(problemOf(file(51))).toContain('over 50 aliases')
})

test('aliases that double at every level are refused before anything is made of them', () => {
  const levels = Array.from({ length: 25 }, (_, n) => `l${n + 1}: &l${n + 1} [*l${n}, *l${n}]`)
  const started = performance.now()
  const reading = read(`l0: &l0 [x]\n${levels.join('\n')}`)
  expect(performance.now() - started).toBeLessThan(1_000)
  expect(reading).toMatchObject({
    problems: [{ text: expect.stringContaining('over 65536 values with those that aliases stand') }]
  })
})

test('what aliases stand for counts as often as it stands there', () => {
  const items = (count: number) => Array.from({ length: count }, () => '1').join(', ')
  // The file, its two keys' lists, then each item twice.
  const file = (count: number) => `a: &a [${items(count)}]\nb: [${'*a, '.repeat(39)}*a]`
  expect(read(file(1_596)).kind).toBe('tree')
  expect(read(file(1_600)).kind).toBe('problems')
})

// Without the limit some of these end the whole process, others take seconds.
test.each([
  '[',
  '{',
  '- ',
  '? ',
  ': ',
  'a: - ',
  '[{',
  '&a ',
  '*a ',
  '! ',
  '%A\n',
  '"',
  '- |\n',
  ', '
])('a file of nothing but %j is refused in little time', (text) => {
  const started = performance.now()
  expect(read(text.repeat(262_144 / text.length)).kind).toBe('problems')
  expect(performance.now() - started).toBeLessThan(3_000)
})

test('five thousand keys in one map are compared in little time', () => {
  const keys = Array.from({ length: 5_000 }, (_, index) => `k${index}: 1`)
  const started = performance.now()
  expect(Object.keys(contentOf(keys.join('\n')) as object)).toHaveLength(5_000)
  expect(performance.now() - started).toBeLessThan(3_000)
})

test('a place is found through lists, maps and aliases, and for what is missing', () => {
  const reading = read('jobs:\n  a: &a\n    steps:\n      - run: x\n  b: *a\n')
  if (reading.kind === 'problems') throw new Error(reading.problems[0]?.text)
  const { tree } = reading

  expect(tree.placeOf(['jobs', 'a', 'steps', 0, 'run'])).toEqual({ line: 4, column: 14 })
  expect(tree.placeOfKey(['jobs', 'a', 'steps', 0, 'run'])).toEqual({ line: 4, column: 9 })
  expect(tree.placeOf(['jobs', 'b', 'steps', 0, 'run'])).toEqual({ line: 4, column: 14 })
  expect(tree.placeOf(['jobs', 'b'])).toEqual({ line: 5, column: 6 })
  expect(tree.placeOf(['jobs', 'a', 'image'])).toEqual({ line: 2, column: 3 })
  expect(tree.placeOf(['defaults'])).toEqual({ line: 1, column: 1 })
})
