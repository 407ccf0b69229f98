import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type HostPolicy,
  jobOriginOf,
  type PolicyQuestion,
  refusalsOf
} from '../../../protocol/core/host-policy.ts'
import { SAMPLE_ORIGIN, sampleRun } from '../../support/arbitrary-board.ts'

const ALL: HostPolicy = {
  repositories: [],
  refs: [],
  events: [],
  authors: [],
  images: [],
  registries: [],
  pinned: false,
  trustedOnly: false
}
const PINNED = `alpine@sha256:${'a'.repeat(64)}`

const job = (patch: Partial<PolicyQuestion['origin']> = {}, more: Partial<PolicyQuestion> = {}) => {
  const origin = { ...SAMPLE_ORIGIN, ...patch }
  return { spec: { image: 'alpine:3.20' }, trust: 'trusted' as const, origin, ...more }
}
const refused = (policy: Partial<HostPolicy>, question: PolicyQuestion = job()) =>
  refusalsOf(question, { ...ALL, ...policy })

describe('a policy takes', () => {
  test.each<[string, Partial<HostPolicy>]>([
    ['everything where it says nothing', {}],
    ['a repository by its name', { repositories: ['other/*', 'team/*'] }],
    ['a repository by its URL', { repositories: ['https://git.example/team/*'] }],
    ['a branch by its name', { refs: ['main'] }],
    ['a ref in full', { refs: ['refs/heads/**'] }],
    ['an event', { events: ['push'] }],
    ['an author', { authors: ['le*'] }],
    ['an image in full, written short by the job', { images: ['docker.io/library/alpine'] }],
    ['a registry', { registries: ['docker.io'] }],
    ['what is trusted', { trustedOnly: true }]
  ])('%s', (_name, policy) => {
    expect(refused(policy)).toEqual([])
  })

  test('an image that is named by its digest, where only such are taken', () => {
    expect(refused({ pinned: true }, job({}, { spec: { image: PINNED } }))).toEqual([])
  })
})

describe('a policy says of what it does not take', () => {
  const stranger = job({}, { trust: 'untrusted' })
  test.each<[string, Partial<HostPolicy>, PolicyQuestion]>([
    ['repository team/kernel', { repositories: ['team', 'team/k', '*'] }, job()],
    ['repository team/kernel', { repositories: ['https://other.example/**'] }, job()],
    ['ref refs/heads/main', { refs: ['release/*', 'refs/tags/**'] }, job()],
    ['ref refs/tags/v1', { refs: ['**'] }, job({ ref: 'refs/tags/v1' })],
    ['event schedule', { events: ['push'] }, job({ event: 'schedule' })],
    ['author lena', { authors: ['Lena', 'l'] }, job()],
    ['pushes without an author', { authors: ['a*'] }, job({ author: '' })],
    ['untrusted runs', { trustedOnly: true }, stranger],
    ['registry docker.io', { registries: ['registry.example'] }, job()],
    ['image docker.io/library/alpine', { images: ['docker.io/library/alp'] }, job()],
    ['images without a digest', { pinned: true }, job()]
  ])('%s', (line, policy, question) => {
    expect(refused(policy, question)).toEqual([line])
  })

  test('that it is no image, as soon as it has rules for them', () => {
    const question = job({}, { spec: { image: 'A B' } })
    expect(refused({ images: ['**'] }, question)).toEqual(['image A B'])
    expect(refused({ pinned: true }, question)).toEqual(['image A B'])
  })

  test('only the beginning of what is very long', () => {
    const [line = ''] = refused({ authors: ['x'] }, job({ author: '\u{1f600}'.repeat(2_000) }))
    expect(line).toBe(`author ${'\u{1f600}'.repeat(60)}...`)
  })
})

test.each([
  'https://git.example/team/../evil/x',
  'https://git.example/team/./x',
  'https://git.example/team/..',
  'https://git.example/team/%2e%2e/evil',
  'https://git.example/team/\\..\\evil',
  'https://git.example/team/x?y',
  'https://git.example@evil.example/team/x',
  'https://evil.example/https://git.example/team/x',
  'http://git.example/team/x'
])('a pattern on URLs is not led elsewhere by %s', (url) => {
  const policy = { repositories: ['https://git.example/team/**'] }
  expect(refused(policy, job({ url }))).toEqual(['repository team/kernel'])
})

test('a name is not taken for a URL, nor a URL for a name', () => {
  const url = 'https://git.example/team/kernel'
  expect(refused({ repositories: [url] }, job({ repository: url, url: 'git://h/x' }))).toHaveLength(
    1
  )
  expect(
    refused({ repositories: ['team/**'] }, job({ repository: 'x', url: 'team/y' }))
  ).toHaveLength(1)
})

test('a job is asked about as its gateway has signed it', () => {
  const { manifest } = sampleRun({ runId: 'R' }).announcement
  expect(jobOriginOf(manifest)).toEqual(SAMPLE_ORIGIN)
})

const words = fc.constantFrom('a', 'b', 'team/a', 'team/b', 'x.example/a')
const globs = fc.constantFrom(
  '*',
  '**',
  'a',
  'team/*',
  '**/a',
  'x.example/*',
  'refs/**',
  'docker.io/**'
)
const lists = fc.array(globs, { maxLength: 3 })
const policies: fc.Arbitrary<HostPolicy> = fc.record({
  repositories: lists,
  refs: lists,
  events: fc.constantFrom([], ['push']),
  authors: lists,
  images: lists,
  registries: lists,
  pinned: fc.boolean(),
  trustedOnly: fc.boolean()
})
const questions: fc.Arbitrary<PolicyQuestion> = fc.record({
  spec: fc.record({ image: fc.oneof(words, fc.constant(PINNED)) }),
  trust: fc.constantFrom('trusted', 'untrusted'),
  origin: fc.record({
    repository: words,
    url: words.map((word) => `https://${word}`),
    event: fc.constantFrom('push', 'schedule'),
    ref: words.map((word) => `refs/heads/${word}`),
    author: fc.oneof(words, fc.constant(''))
  })
})

test('a pattern more never takes less, unless it is the first of its list', () => {
  const names = ['repositories', 'refs', 'authors', 'images', 'registries'] as const
  fc.assert(
    fc.property(
      policies,
      questions,
      fc.constantFrom(...names),
      globs,
      (policy, asked, name, glob) => {
        fc.pre(policy[name].length > 0)
        const wider = { ...policy, [name]: [...policy[name], glob] }
        if (refusalsOf(asked, policy).length === 0) expect(refusalsOf(asked, wider)).toEqual([])
      }
    )
  )
})

test('a host takes a job only where each of its rules alone would', () => {
  fc.assert(
    fc.property(policies, questions, (policy, asked) => {
      const alone = Object.entries(policy).every(
        ([name, rule]) => refusalsOf(asked, { ...ALL, [name]: rule }).length === 0
      )
      expect(refusalsOf(asked, policy).length === 0).toBe(alone)
    })
  )
})

test('an image that a service runs in is asked about as the own one of the job', () => {
  const ready = { port: undefined, command: undefined, timeoutMs: 1 }
  const rest = { env: {}, secrets: [], command: undefined, ready }
  const resources = { cpuMilli: 1, memoryBytes: 1 }
  const db = { name: 'db', image: 'quay.io/team/db:1', resources, ...rest }
  const question = job({}, { spec: { image: 'alpine:3.20', services: [db] } })
  expect(refused({ registries: ['docker.io'] }, question)).toEqual(['registry quay.io'])
  expect(refused({ registries: ['docker.io', 'quay.io'] }, question)).toEqual([])
})
