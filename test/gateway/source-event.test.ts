import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  eventOf,
  originOf,
  type PullRequestEvent,
  type SourceEvent,
  subjectOf,
  tagOf
} from '../../gateway/source-event.ts'
import { runIdOfOrigin } from '../../protocol/wire/run-id.ts'

const URL = 'https://git.example/team/kernel.git'
const COMMIT = 'a'.repeat(40)

const push = {
  kind: 'push',
  repository: 'team/kernel',
  repositoryId: '42',
  ref: 'refs/heads/main',
  before: '0'.repeat(40),
  after: COMMIT,
  pusher: 'lena',
  time: ''
} as const
const request: PullRequestEvent = {
  kind: 'pull_request',
  repository: 'team/kernel',
  repositoryId: '42',
  number: 7,
  ref: 'refs/pull/7/head',
  head: COMMIT
}
const ordered = {
  kind: 'manual',
  repository: 'team/kernel',
  ref: 'refs/heads/main',
  commit: COMMIT,
  inputs: {},
  pusher: 'lena',
  nonce: 'request-1'
} as const

const runOf = (event: SourceEvent): string => runIdOfOrigin(originOf(event, URL))

describe('what the inbox keeps of an event', () => {
  test('is read as it was written', () => {
    for (const event of [push, request, ordered]) {
      expect(eventOf({ body: JSON.stringify(event) })).toEqual(event)
    }
  })

  test('from before there were others is a push of the same run', () => {
    const { kind: _kind, ...before } = push

    const read = eventOf({ body: JSON.stringify(before) })

    expect(read).toEqual(push)
    expect(runOf(read)).toBe(runOf(push))
  })
})

describe('a run is named', () => {
  test('after the head of a pull request, whoever tells of it and why', () => {
    expect(originOf(request, URL)).toEqual({
      forgeHost: 'git.example',
      repositoryId: '42',
      event: 'pull_request',
      ref: 'refs/pull/7/head',
      commit: COMMIT,
      number: '7',
      action: '',
      rerunNonce: ''
    })
  })

  test('apart for each meaning', () => {
    const tag = { ...push, kind: 'tag', ref: 'refs/tags/v1' } as const
    const events: readonly SourceEvent[] = [
      push,
      { ...push, ref: 'refs/heads/dev' },
      { ...push, after: 'b'.repeat(40) },
      { ...push, nonce: 'retry-1' },
      tag,
      request,
      { ...request, number: 8, ref: 'refs/pull/8/head' },
      { ...request, head: 'b'.repeat(40) },
      ordered,
      { ...ordered, nonce: 'request-2' },
      { ...ordered, kind: 'schedule' }
    ]

    expect(new Set(events.map(runOf)).size).toBe(events.length)
    expect(tagOf(tag)).toBe('v1')
  })

  test('the same, whatever else a push says of itself', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (pusher, time, before) => {
        expect(runOf({ ...push, pusher, time, before })).toBe(runOf(push))
      })
    )
  })
})

test('deliveries of one pull request have one subject, whatever its head, and others none', () => {
  const subject = (event: SourceEvent): string => subjectOf(originOf(event, URL))

  expect(subject({ ...request, head: 'b'.repeat(40) })).toBe(subject(request))
  expect(subject({ ...request, number: 8 })).not.toBe(subject(request))
  expect([subject(push), subject(ordered)]).toEqual(['', ''])
})
