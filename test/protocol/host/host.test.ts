import { expect, test } from 'vitest'
import { MeshError } from '../../../protocol/core/errors.ts'
import { errorDocument, reportError, SilentExit } from '../../../protocol/host/exit.ts'
import { requireNode } from '../../../protocol/host/node-version.ts'
import { checkSocketPath, statePaths } from '../../../protocol/host/paths.ts'
import { systemRandom } from '../../../protocol/host/random.ts'

test.each(['20.19.0', '20.20.2', '22.0.0', '24.1.0'])('Node %s is taken', (version) => {
  expect(() => requireNode(version)).not.toThrow()
})

test.each(['18.20.0', '20.18.9', '16.0.0'])('Node %s is refused with the way out', (version) => {
  expect(() => requireNode(version)).toThrow('install a newer Node')
})

test('an error reads the same for people and programs, and has its own exit code', () => {
  const error = new MeshError('STATE_LOCKED', { state: '/s', pid: 7 })
  let text = ''
  const stream = { write: (part: string) => (text += part) }

  expect(reportError(error, false, stream)).toBe(78)
  expect(text).toBe(`STATE_LOCKED: ${error.message}\n`)
  text = ''
  expect(reportError(error, true, stream)).toBe(78)
  expect(JSON.parse(text)).toEqual(errorDocument(error))
})

test('an unexpected error is a bug, exit 70, and a silent exit says nothing', () => {
  let text = ''
  const stream = { write: (part: string) => (text += part) }

  expect(reportError(new Error('odd'), true, stream)).toBe(70)
  expect(JSON.parse(text).error.code).toBe('BUG')
  text = ''
  expect(reportError(new SilentExit(3), false, stream)).toBe(3)
  expect(text).toBe('')
})

test('with --state everything is below that folder', () => {
  const paths = statePaths('agent', { state: '/srv/a' }, { XDG_RUNTIME_DIR: '/run/user/1' })

  expect(paths.socket).toBe('/srv/a/agent.sock')
  expect(paths.config).toBe('/srv/a/agent.yaml')
  expect(paths.key).toBe('/srv/a/agent.key')
})

test('under systemd its folders are used', () => {
  const env = { STATE_DIRECTORY: '/var/lib/x', RUNTIME_DIRECTORY: '/run/x' }
  const paths = statePaths('gateway', {}, env)

  expect(paths.state).toBe('/var/lib/x')
  expect(paths.socket).toBe('/run/x/gateway.sock')
})

test('a socket has a path of 107 bytes at most, however few characters they are', () => {
  expect(() => checkSocketPath(`/${'x'.repeat(106)}`)).not.toThrow()
  expect(() => checkSocketPath(`/${'x'.repeat(107)}`)).toThrow('a path of 108 bytes, 107 are')
  expect(() => checkSocketPath(`/${'ü'.repeat(54)}`)).toThrow('give a shorter --state')
})

test('random ids have the asked length and do not repeat', () => {
  const random = systemRandom()
  const ids = new Set(Array.from({ length: 1_000 }, () => random.id(16)))

  expect(ids.size).toBe(1_000)
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/)
  const draws = Array.from({ length: 1_000 }, () => random.next())
  expect(Math.min(...draws)).toBeGreaterThanOrEqual(0)
  expect(Math.max(...draws)).toBeLessThan(1)
})
