import { expect, test } from 'vitest'
import type { LogStream } from '../../../../agent/execute/attempt.ts'
import { ServiceLog } from '../../../../agent/execute/services/service-log.ts'
import { Masker } from '../../../../protocol/core/masker/masker.ts'
import {
  SERVICE_LAST_LINES,
  SERVICE_LOG_BYTES_MAX
} from '../../../../protocol/core/service-limits.ts'

function logOf(...secrets: readonly string[]) {
  const lines: (readonly [number, LogStream, string])[] = []
  const masker = new Masker(secrets.map((secret) => Buffer.from(secret)))
  const log = new ServiceLog(masker, (step, stream, text) => lines.push([step, stream, text]))
  const say = (service: string, text: string): void => log.take(service, 'out', Buffer.from(text))
  return { log, lines, say, texts: () => lines.map(([, , text]) => text) }
}

test('lines have the name of their service, whatever pieces they come in', () => {
  const { log, lines, say } = logOf()
  say('db', 'one\ntw')
  say('web', 'other\n')
  say('db', 'o\nlast')
  log.finish('db')
  expect(lines).toEqual([
    [0, 'out', 'db | one'],
    [0, 'out', 'web | other'],
    [0, 'out', 'db | two'],
    [0, 'out', 'db | last']
  ])
})

test('a secret is hidden over the borders of pieces', () => {
  const { log, say, texts } = logOf('correct-horse')
  say('db', 'it is correct-')
  say('db', 'horse\n')
  log.close()
  expect(texts()).toEqual(['db | it is ***'])
})

test('of more than it may write the last lines follow at its end', () => {
  const { log, say, texts } = logOf()
  const count = Math.ceil(SERVICE_LOG_BYTES_MAX / 1_000) + 100
  for (let at = 0; at < count; at += 1) say('db', `${at} ${'x'.repeat(990)}\n`)
  const before = texts()
  expect(before.at(-1)).toContain('no more is kept')
  expect(before.join('\n').length).toBeLessThan(SERVICE_LOG_BYTES_MAX + 200)

  log.finish('db')
  const after = texts().slice(before.length)
  expect(after).toHaveLength(1 + SERVICE_LAST_LINES)
  expect(after.at(-1)).toContain(`db | ${count - 1} x`)
})

test('nothing is heard once it is closed', () => {
  const { log, say, texts } = logOf()
  log.close()
  say('db', 'late\n')
  expect(texts()).toEqual([])
})
