import { beforeEach, expect, test } from 'vitest'
import { Journal } from '../../../../agent/execute/egress/journal.ts'
import type { Target } from '../../../../agent/execute/egress/target.ts'
import { EGRESS_AUDITED_MAX, EGRESS_LINES_MAX } from '../../../../protocol/core/egress-limits.ts'
import { NETWORK_ALLOW_MAX } from '../../../../protocol/core/network-limits.ts'
import { parsePipeline } from '../../../../protocol/pipeline/parse-pipeline.ts'
import { jobsOf } from '../../../support/pipeline.ts'

let lines: string[]

beforeEach(() => {
  lines = []
})

function journal(isAudit = false): Journal {
  const mask = (text: string): string => text.replaceAll('hunter2', '***')
  return new Journal({ say: (text) => void lines.push(text), mask }, { isAudit })
}

function target(asked: string, port = 443): Target {
  const host = asked.toLowerCase()
  return { host, isAddress: /^[\d.]+$/.test(host), port, asked }
}

/** What a pipeline with this line in its job has as its network. */
function pasted(line: string) {
  const job = `jobs:\n  build:\n    image: x\n    ${line}\n    steps: [run: make]\n`
  const parsed = parsePipeline(new TextEncoder().encode(job), { file: 'f' })
  return parsed.kind === 'ok' ? jobsOf(parsed.pipeline)[0]?.network : parsed.errors
}

test('each decision is told once, and counted', () => {
  const told = journal()
  for (let time = 0; time < 3; time += 1) told.allowed(target('a.example'), `1.2.3.${time}`)
  told.refused(target('a.example'), 'one reason')
  told.refused(target('a.example'), 'another')
  told.malformed('GET \n/', 'no proxy request')
  told.close()

  expect(lines).toEqual([
    'network: allowed a.example:443 at 1.2.3.0',
    'network: refused a.example:443: one reason',
    'network: refused a.example:443: another',
    'network: refused "GET \\n/": no proxy request',
    'network: 3 connections allowed, 3 refused'
  ])
})

test('a job that asks for ever more gets so many lines, and the number of the others', () => {
  const told = journal()
  for (let at = 0; at < EGRESS_LINES_MAX + 7; at += 1) told.refused(target(`a${at}.example`), 'no')
  told.close()

  expect(lines).toHaveLength(EGRESS_LINES_MAX + 1)
  expect(lines.at(-1)).toBe(
    `network: 0 connections allowed, ${EGRESS_LINES_MAX + 7} refused, of 7 there is no line`
  )
})

test('a job that asks for nothing gets no line', () => {
  journal().close()
  expect(lines).toEqual([])
})

test('the value of a secret that is spelled in a name is not told, nor listed', () => {
  const told = journal(true)
  told.allowed(target('hunter2.example'), '1.2.3.4')
  told.refused(target('x-hunter2.example'), 'no')
  told.malformed('GET http://hunter2', 'no')
  told.close()

  expect(lines.join('\n')).not.toContain('hunter2')
  expect(lines.at(-1)).toBe('network: 1 connections are left out of the list')
})

test('a secret at the place where a text is cut is not told in part', () => {
  for (let before = 100; before <= 120; before += 1) {
    lines = []
    journal().malformed(`${'x'.repeat(before)}hunter2`, 'no')
    expect(lines.join()).not.toMatch(/xh/)
  }
})

test('the list of an audit is what a pipeline takes, in order', () => {
  const told = journal(true)
  told.allowed(target('b.example'), '1.2.3.4')
  told.allowed(target('a.example', 80), '1.2.3.4')
  told.allowed(target('1.2.3.4', 8080), '1.2.3.4')
  told.refused(target('lan.example'), 'not public')
  told.close()

  expect(pasted(lines.at(-1) ?? '')).toEqual({
    allow: ['1.2.3.4:8080', 'a.example:80', 'b.example:443']
  })
})

test('an audit of more than a list takes gives lists, up to what it remembers', () => {
  const told = journal(true)
  for (let at = 0; at < EGRESS_AUDITED_MAX + 3; at += 1) {
    told.allowed(target(`a${at}.example`), '1.2.3.4')
  }
  told.close()
  const lists = lines.filter((line) => line.startsWith('network: {'))

  expect(lists).toHaveLength(EGRESS_AUDITED_MAX / NETWORK_ALLOW_MAX)
  expect(pasted(lists[0] ?? '')).toMatchObject({ allow: { length: NETWORK_ALLOW_MAX } })
  expect(lines.at(-1)).toBe('network: 3 connections are left out of the list')
})

test('an audit that an agent took over says that its list is not all', () => {
  const told = journal(true)
  told.resumed()
  told.close()
  expect(lines).toEqual([
    expect.stringContaining('the agent was restarted'),
    'network: no host was reached by name: the job may do with none'
  ])
})
