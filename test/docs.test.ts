import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { agentProgram } from '../agent/cli/program.ts'
import { agentMetrics } from '../agent/metrics/agent-metrics.ts'
import { claimMetrics } from '../agent/metrics/claim-metrics.ts'
import { gatewayProgram } from '../gateway/cli/program.ts'
import { gatewayCounts } from '../gateway/metrics/event-metrics.ts'
import { gatewayMetrics } from '../gateway/metrics/gateway-metrics.ts'
import { Metrics } from '../protocol/api/metrics.ts'
import { MESH_ERRORS } from '../protocol/core/errors.ts'
import { agentMetricsParts, gatewayMetricsParts } from './support/metric-parts.ts'
import { readExposition } from './support/prometheus-text.ts'

/* Documents and code say the same, in both directions. */

const DOCS = resolve(import.meta.dirname, '..', 'docs')
const read = (name: string): string => readFileSync(join(DOCS, name), 'utf8')

const headings = (text: string): string[] =>
  [...text.matchAll(/^## ([A-Z0-9_]+)$/gm)].map((match) => match[1] ?? '')

test('docs/errors.md has a heading for each error code and for nothing else', () => {
  expect(new Set(headings(read('errors.md')))).toEqual(new Set(Object.keys(MESH_ERRORS)))
})

test('docs/limits.md has each limit with its value and nothing else', async () => {
  const core = resolve(DOCS, '..', 'protocol', 'core')
  const files = readdirSync(core).filter((name) => /(^|-)limits\.ts$/.test(name))
  const modules = await Promise.all(
    files.map(async (name) => (await import(join(core, name))) as Record<string, unknown>)
  )
  const real = Object.fromEntries(
    modules
      .flatMap((limits) => Object.entries(limits))
      .map(([name, value]) => [name, String(value)])
  )
  const rows = [...read('limits.md').matchAll(/^\| `([A-Z0-9_]+)` \| ([^|]*) \|/gm)]
  const documented = Object.fromEntries(rows.map((row) => [row[1] ?? '', row[2]?.trim()]))

  expect(documented).toEqual(real)
})

test('no row of docs/limits.md holds source', () => {
  const rows = read('limits.md').split('\n')

  expect(rows.filter((row) => /\*\/|export const/.test(row))).toEqual([])
})

test('docs/operating.md has a row for each metric with its type, and no other', async () => {
  const metrics = new Metrics()
  claimMetrics(metrics)
  gatewayCounts(metrics)
  const agent = new Metrics()
  agentMetrics(agent, agentMetricsParts())
  gatewayMetrics(metrics, gatewayMetricsParts())
  const families = [...readExposition(await metrics.text()), ...readExposition(await agent.text())]
  const real = Object.fromEntries(families.map(([name, { type }]) => [name, type]))

  const rows = [...read('operating.md').matchAll(/^\| `(runner_mesh_\w+)`[^|]* \| (\w+) \|/gm)]
  const documented = Object.fromEntries(rows.map((row) => [row[1] ?? '', row[2]]))

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

test('what the documents link to is there', () => {
  const root = resolve(DOCS, '..')
  const files = ['README.md', 'CHANGELOG.md', ...readdirSync(DOCS).map((name) => `docs/${name}`)]
  const broken = files
    .filter((file) => file.endsWith('.md'))
    .flatMap((file) => {
      const text = readFileSync(join(root, file), 'utf8')
      const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((match) => ({
        name: match[1] ?? '',
        path: join(root, dirname(file), match[1] ?? '')
      }))
      const named = [...text.matchAll(/`((?:docs|deploy|test)\/[\w./-]+)`/g)].map((match) => ({
        name: match[1] ?? '',
        path: join(root, match[1] ?? '')
      }))
      return [...links, ...named]
        .filter(({ path }) => !existsSync(path))
        .map(({ name }) => `${file}: ${name}`)
    })

  expect(broken).toEqual([])
})

describe('docs/cli.md', () => {
  const around = { env: {}, stdout: process.stdout, stderr: process.stderr }
  /** What every command has is said once, above the tables. */
  const shared = new Set(['--state', '--no-color'])

  function leaves(command: Command, path: readonly string[]): (readonly [string, Command])[] {
    const name = [...path, command.name()]
    if (command.commands.length === 0) return [[name.join(' '), command]]
    return command.commands.flatMap((inner) => leaves(inner, name))
  }

  test('has a row for each command with each of its options, and no other', () => {
    const programs = [agentProgram(around), gatewayProgram(around)]
    const real = Object.fromEntries(
      programs
        .flatMap((program) => leaves(program, []))
        .map(([name, command]) => [
          name,
          command.options.map(({ long }) => long ?? '').filter((long) => !shared.has(long))
        ])
    )
    const rows = [...read('cli.md').matchAll(/^\| `((?:agent|gateway)[a-z ]*[a-z])([^`]*)` \|/gm)]
    const documented = Object.fromEntries(
      rows.map(([, name = '', rest = '']) => [name, rest.match(/--[a-z-]+/g) ?? []])
    )

    const sorted = (table: Record<string, string[]>) =>
      Object.fromEntries(Object.entries(table).map(([name, flags]) => [name, flags.toSorted()]))
    expect(sorted(documented)).toEqual(sorted(real))
  })

  test('has each exit code that an error can give', () => {
    const rows = [...read('cli.md').matchAll(/^\| (\d+) \|/gm)].map((row) => Number(row[1]))
    const used = Object.values(MESH_ERRORS).map(({ exit }) => exit)

    expect(used.filter((exit) => !rows.includes(exit))).toEqual([])
  })
})

describe('package.json', () => {
  const root = resolve(DOCS, '..')
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<
    'dependencies' | 'devDependencies' | 'scripts',
    Record<string, string>
  >

  function packagesOf(rooms: readonly string[]): ReadonlySet<string> {
    const files = rooms.flatMap((room) =>
      readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })
        .filter((name) => /\.m?ts$/.test(name))
        .map((name) => join(root, room, name))
    )
    const specifiers = files.flatMap((file) => [
      ...readFileSync(file, 'utf8').matchAll(/(?:from|import\()\s*'([a-z@][^']*)'/g)
    ])
    const names = specifiers
      .map((match) => match[1] ?? '')
      .filter((name) => !name.startsWith('node:'))
      .map((name) =>
        name
          .split('/')
          .slice(0, name.startsWith('@') ? 2 : 1)
          .join('/')
      )
    return new Set(names)
  }

  const product = packagesOf(['agent', 'gateway', 'protocol'])
  const others = packagesOf(['test', 'deploy'])

  test('names every package that the programs import, and no more', () => {
    expect(product).toEqual(new Set(Object.keys(manifest.dependencies)))
  })

  test('names every package that tests and deploy import besides', () => {
    const besides = [...others].filter((name) => !product.has(name))
    // The configuration of the test runner is no source of a room.
    const known = new Set([...Object.keys(manifest.devDependencies), 'vitest'])

    expect(besides.filter((name) => !known.has(name))).toEqual([])
  })

  test('has no tool that nothing uses', () => {
    const commands = Object.values(manifest.scripts).join(' ')
    const prepare = readFileSync(join(root, 'deploy', 'prepare.sh'), 'utf8')
    const words: Readonly<Record<string, string>> = {
      '@biomejs/biome': 'biome ',
      typescript: 'tsc ',
      tsx: '--import tsx',
      protons: 'protons '
    }
    const unused = Object.keys(manifest.devDependencies).filter((name) => {
      if (others.has(name) || name === '@types/node') return false
      const typed = name.replace('@types/', '')
      if (name.startsWith('@types/')) return !(product.has(typed) || others.has(typed))
      return !`${commands} ${prepare}`.includes(words[name] ?? name)
    })

    expect(unused).toEqual([])
  })
})
