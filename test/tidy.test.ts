import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'

/*
 * The house rules as a test. Each rule is one function that gives `path:line: rule, use X` lines,
 * and has a test of its own on a text that breaks it.
 */

const ROOT = resolve(import.meta.dirname, '..')
const ROOMS = ['agent', 'gateway', 'protocol', 'test', 'deploy']
const LINE_CHARACTERS_MAX = 100
const FILE_LINES_MAX = 400

interface Source {
  readonly path: string
  readonly text: string
}

type Rule = (source: Source) => string[]

function lines(source: Source, broken: (line: string) => string | undefined): string[] {
  return source.text.split('\n').flatMap((line, index) => {
    const found = broken(line)
    return found === undefined ? [] : [`${source.path}:${index + 1}: ${found}`]
  })
}

const lineLength: Rule = (source) =>
  lines(source, (line) =>
    unbroken(line).length > LINE_CHARACTERS_MAX
      ? `line over ${LINE_CHARACTERS_MAX}, break it`
      : undefined
  )

/** A text stays whole, so that it can be searched for: what is in quotes does not count. */
function unbroken(line: string): string {
  return line.replace(/'(?:[^'\\]|\\.)*'|`[^`]*`|"(?:[^"\\]|\\.)*"/g, "''")
}

const fileLength: Rule = (source) => {
  const count = source.text.split('\n').length - 1
  return count > FILE_LINES_MAX ? [`${source.path}:1: ${count} lines, split the file`] : []
}

const BANNED: readonly {
  readonly pattern: RegExp
  readonly use: string
  readonly allowed: RegExp
}[] = [
  { pattern: /\bDate\.now\(/, use: 'the Clock port', allowed: /^(protocol\/host\/clock|test\/)/ },
  { pattern: /\bMath\.random\(/, use: 'the Random port', allowed: /^$/ },
  {
    pattern: /\bconsole\.(log|error|warn|info|debug)\b/,
    use: 'the log or an injected stream',
    allowed: /^$/
  },
  { pattern: /\bTODO\b|\bFIXME\b|\bXXX\b/, use: 'an issue', allowed: /^$/ },
  { pattern: /\.only\(|\.skip\(|\.skipIf\(|\.todo\(/, use: 'a test that runs', allowed: /^$/ },
  {
    pattern: /\bprocess\.env\b/,
    use: 'config.ts or main.ts',
    allowed: /^(agent|gateway)\/(main|config)\.ts$|^protocol\/host\/git\.ts$|^(test|deploy)\//
  }
]

const bannedCalls: Rule = (source) =>
  lines(source, (line) => {
    const rule = BANNED.find(({ pattern, allowed }) => {
      return pattern.test(line) && !allowed.test(source.path)
    })
    return rule === undefined ? undefined : `banned ${rule.pattern.source}, use ${rule.use}`
  })

/** Words that the glossary replaces; whole identifiers or their camel-case parts. */
const WORDS: Readonly<Record<string, string>> = {
  voter: 'witness',
  replica: 'witness',
  redact: 'mask',
  censor: 'mask',
  vcs: 'forge'
}

const words: Rule = (source) =>
  lines(source, (line) => {
    // pino's own names for masking.
    if (source.path === 'protocol/host/log.ts') return undefined
    const parts = line.split(/[^A-Za-z]+|(?<=[a-z])(?=[A-Z])/).map((part) => part.toLowerCase())
    const word = parts.find((part) => Object.hasOwn(WORDS, part))
    return word === undefined ? undefined : `word "${word}", use "${WORDS[word]}"`
  })

/** Which rooms a room may import; imports point down only. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  'protocol/core': [],
  'protocol/api': ['protocol/core'],
  'protocol/pipeline': ['protocol/core'],
  'protocol/wire': ['protocol/core'],
  'protocol/host': ['protocol/core'],
  'protocol/store': ['protocol/core', 'protocol/wire', 'protocol/host'],
  'protocol/mesh': ['protocol/core', 'protocol/wire', 'protocol/store', 'protocol/host'],
  agent: ['protocol'],
  gateway: ['protocol']
}

/**
 * The rooms within protocol/mesh, each with those below it; what lies in none of them puts them
 * together, and may import all.
 */
const BELOW_IN_MESH: Readonly<Record<string, readonly string[]>> = {
  bounds: [],
  members: ['bounds'],
  links: ['bounds', 'members'],
  announcements: ['bounds', 'members'],
  registers: ['bounds', 'members', 'links'],
  joining: ['bounds', 'members', 'links'],
  witness: ['bounds', 'members', 'links', 'announcements', 'registers'],
  board: ['bounds', 'members', 'links', 'announcements', 'registers']
}

function meshRoomOf(path: string): string | undefined {
  return /^protocol\/mesh\/(?:([a-z-]+)\/)?/.exec(path)?.[1]
}

const meshRooms: Rule = (source) => {
  const room = meshRoomOf(source.path)
  if (room === undefined) return []
  const below = BELOW_IN_MESH[room]
  if (below === undefined) return [`${source.path}: ${room} is no room of protocol/mesh`]
  return importsOf(source).flatMap(({ line, target }) => {
    if (!target.startsWith('protocol/mesh/')) return []
    const other = meshRoomOf(target)
    const isAllowed = other === room || (other !== undefined && below.includes(other))
    return isAllowed ? [] : [`${source.path}:${line}: ${room} imports ${other ?? 'the top'}`]
  })
}

function roomOf(path: string): string {
  const [top = '', second = ''] = path.split('/')
  return top === 'protocol' ? `${top}/${second}` : top
}

function importsOf(source: Source): { readonly line: number; readonly target: string }[] {
  return source.text.split('\n').flatMap((line, index) => {
    const match = /(?:from|import\(?)\s*'(\.[^']*)'/.exec(line)
    const target = match?.[1]
    return target === undefined
      ? []
      : [{ line: index + 1, target: join(dirname(source.path), target) }]
  })
}

const imports: Rule = (source) => {
  const room = roomOf(source.path)
  const below = BELOW[room]
  if (below === undefined) return []
  return importsOf(source).flatMap(({ line, target }) => {
    const other = roomOf(target)
    const allowed = other === room || below.some((name) => `${target}/`.startsWith(`${name}/`))
    return allowed ? [] : [`${source.path}:${line}: ${room} imports ${other}, import downwards`]
  })
}

const RULES = { lineLength, fileLength, bannedCalls, words, imports, meshRooms }

function sources(): Source[] {
  return ROOMS.flatMap((room) =>
    readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })
      .map((name) => `${room}/${name}`)
      .filter((path) => path.endsWith('.ts') && !path.startsWith('protocol/wire/generated/'))
      .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }))
  )
}

const SOURCES = sources()
const PRODUCT = SOURCES.filter(({ path }) => !path.startsWith('test/'))

describe('every source file keeps the house rules', () => {
  test.each(Object.entries(RULES))('%s', (name, rule) => {
    const checked = name === 'lineLength' || name === 'fileLength' ? SOURCES : PRODUCT
    expect(checked.length).toBeGreaterThan(20)
    expect(checked.flatMap(rule)).toEqual([])
  })

  test('tests neither skip nor focus', () => {
    const tests = SOURCES.filter(({ path }) => path !== 'test/tidy.test.ts')
    const broken = tests.flatMap((source) =>
      lines(source, (line) =>
        /\b(it|test|describe)\.(only|skip|skipIf|todo)\b/.test(line) ? 'skips' : undefined
      )
    )
    expect(broken).toEqual([])
  })

  test('every file of core has its test', () => {
    const names = new Set(SOURCES.map(({ path }) => path))
    // Types and tables without behaviour are tested by what uses them.
    const behaviour = PRODUCT.filter(
      ({ path, text }) =>
        path.startsWith('protocol/core/') && /^export (function|class)/m.test(text)
    )
    const missing = behaviour
      .map(({ path }) => `test/${path.replace(/\.ts$/, '.test.ts')}`)
      .filter((path) => !names.has(path))
    expect(missing).toEqual([])
  })

  test('no file is out of reach of a program', () => {
    const reached = new Set<string>()
    const byPath = new Map(SOURCES.map((source) => [source.path, source]))
    const visit = (path: string): void => {
      const source = byPath.get(path)
      if (source === undefined || reached.has(path)) return
      reached.add(path)
      for (const { target } of importsOf(source)) visit(target)
    }
    const entries = ['agent/main.ts', 'gateway/main.ts', 'gateway/api/export-openapi.ts']
    for (const entry of entries) visit(entry)
    const dead = PRODUCT.map(({ path }) => path).filter(
      (path) => !reached.has(path) && !path.startsWith('deploy/')
    )
    expect(dead).toEqual([])
  })

  test('generated code is that of its .proto file', () => {
    const wire = join(ROOT, 'protocol', 'wire')
    const protos = readdirSync(wire).filter((name) => name.endsWith('.proto'))
    expect(protos.length).toBeGreaterThan(0)
    for (const name of protos) {
      const hash = createHash('sha256')
        .update(readFileSync(join(wire, name)))
        .digest('hex')
      const generated = join(wire, 'generated', name.replace(/\.proto$/, '.ts'))
      expect(readFileSync(generated, 'utf8').slice(0, 400), name).toContain(hash)
    }
  })
})

describe('each rule finds what it forbids', () => {
  const source = (text: string, path = 'protocol/core/x.ts'): Source => ({ path, text })

  test('a long line', () => {
    expect(lineLength(source('x'.repeat(101)))).toHaveLength(1)
    expect(lineLength(source('x'.repeat(100)))).toHaveLength(0)
  })

  test('a long file', () => {
    expect(fileLength(source('\n'.repeat(401)))).toHaveLength(1)
    expect(fileLength(source('\n'.repeat(400)))).toHaveLength(0)
  })

  test('a reached-for clock, randomness, console, note or environment', () => {
    for (const text of ['Date.now()', 'Math.random()', 'console.log()', '// TODO', 'process.env']) {
      expect(bannedCalls(source(text)), text).toHaveLength(1)
    }
    expect(bannedCalls(source('Date.now()', 'protocol/host/clock.ts'))).toHaveLength(0)
  })

  test('a word that the glossary replaces', () => {
    expect(words(source('const replicaCount = 1'))).toHaveLength(1)
    expect(words(source('const witnessCount = 1'))).toHaveLength(0)
  })

  test('an import that points up or across', () => {
    expect(imports(source("import { x } from '../wire/x.ts'"))).toHaveLength(1)
    expect(imports(source("import { x } from '../../gateway/x.ts'", 'agent/a/b.ts'))).toHaveLength(
      1
    )
    const api = source("import { x } from '../api/x.ts'", 'protocol/mesh/b.ts')
    expect(imports(api)).toHaveLength(1)
    expect(imports(source("import { x } from './y.ts'"))).toHaveLength(0)
  })

  test('an import from one room of the mesh to another that is not below it', () => {
    const found = (text: string, path: string): number => meshRooms(source(text, path)).length
    expect(found("import { x } from '../board/x.ts'", 'protocol/mesh/links/a.ts')).toBe(1)
    expect(found("import { x } from '../member.ts'", 'protocol/mesh/board/a.ts')).toBe(1)
    expect(found("import { x } from '../links/x.ts'", 'protocol/mesh/board/a.ts')).toBe(0)
    expect(found("import { x } from '../../core/x.ts'", 'protocol/mesh/links/a.ts')).toBe(0)
    expect(found("import { x } from './board/x.ts'", 'protocol/mesh/member.ts')).toBe(0)
    expect(found('', 'protocol/mesh/attic/a.ts')).toBe(1)
  })
})
