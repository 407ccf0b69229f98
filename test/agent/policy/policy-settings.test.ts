import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { loadAgentSettings } from '../../../agent/config.ts'
import { hostPolicyOf, loadLimitsOf } from '../../../agent/policy/policy-settings.ts'
import { codeOf } from '../../../protocol/core/errors.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

let file: string
beforeEach(async () => {
  file = join(await temporaryFolder(), 'agent.yaml')
})

async function load(text: string) {
  await writeFile(file, text)
  return (await loadAgentSettings({ file, fileRequired: true, flags: {}, env: {} })).values.policy
}

async function problem(text: string): Promise<string> {
  return await load(text).then(
    () => 'taken',
    (error: unknown) => `${codeOf(error)} ${(error as Error).message}`
  )
}

test('what is left out is let through, and an agent without a policy advertises none', async () => {
  const policy = await load('name: onyx\n')
  expect(policy).toEqual({ pinned: false, untrusted: 'take' })
  expect(hostPolicyOf(policy)).toBeUndefined()
  expect(loadLimitsOf(policy)).toBeUndefined()
})

test('a policy is read as it is written', async () => {
  const policy = await load(
    [
      'policy:',
      '  repositories: [team/*, "https://git.example/team/**"]',
      '  refs: [main, release/*, "refs/tags/**"]',
      '  events: [push, tag, pull_request, manual, schedule]',
      '  authors: [lena, "dependabot[bot]"]',
      '  images: [docker.io/library/*, "registry.example:5000/**"]',
      '  registries: [docker.io, "*.example:5000"]',
      '  pinned: true',
      '  untrusted: refuse',
      '  hours: [Mon-Fri 20:00-06:00, "Sat,Sun 00:00-24:00"]',
      '  zone: Europe/Berlin',
      '  load: { perCore: 0.7, freeMemory: 4GiB }'
    ].join('\n')
  )

  expect(hostPolicyOf(policy)).toEqual({
    repositories: ['team/*', 'https://git.example/team/**'],
    refs: ['main', 'release/*', 'refs/tags/**'],
    events: ['push', 'tag', 'pull_request', 'manual', 'schedule'],
    authors: ['lena', 'dependabot[bot]'],
    images: ['docker.io/library/*', 'registry.example:5000/**'],
    registries: ['docker.io', '*.example:5000'],
    pinned: true,
    trustedOnly: true
  })
  expect(policy.hours).toEqual([
    { days: [0, 1, 2, 3, 4], from: 1_200, to: 360 },
    { days: [5, 6], from: 0, to: 1_440 }
  ])
  expect(policy.zone).toBe('Europe/Berlin')
  expect(loadLimitsOf(policy)).toEqual({ perCore: 0.7, freeMemoryBytes: 4 * 2 ** 30 })
})

test('memory that is to stay for the host is looked at, unless another figure is said for that', async () => {
  const none = await load('name: onyx\n')
  const reserveBytes = 2 * 2 ** 30
  expect(loadLimitsOf(none, reserveBytes)).toMatchObject({ freeMemoryBytes: reserveBytes })
  const own = await load('policy: { load: { freeMemory: 4GiB } }\n')
  expect(loadLimitsOf(own, reserveBytes)).toMatchObject({ freeMemoryBytes: 4 * 2 ** 30 })
  const other = await load('policy: { load: { perCore: 0.7 } }\n')
  const both = { perCore: 0.7, freeMemoryBytes: reserveBytes }
  expect(loadLimitsOf(other, reserveBytes)).toMatchObject(both)
})

test.each([
  ['{ untrusted: refuse }', { trustedOnly: true }],
  ['{ pinned: true }', { pinned: true }],
  ['{ refs: [main] }', { refs: ['main'] }]
])('the one rule of %s is a policy', async (text, expected) => {
  expect(hostPolicyOf(await load(`policy: ${text}\n`))).toMatchObject(expected)
})

const many = (count: number, text: string): string => `[${Array(count).fill(text).join(', ')}]`

test.each([
  ['{ repository: [a] }', ':1:23: policy.repository: Unrecognized key'],
  ['{ repositories: [] }', 'policy.repositories: is an empty list, which would take nothing'],
  ['{ repositories: [""] }', 'policy.repositories.0: it is empty: use ** for all'],
  ['{ repositories: ["!a"] }', 'it excludes: list what is wanted instead'],
  ['{ repositories: ["a***"] }', 'it has more than two * in a row'],
  ['{ repositories: ["a{b,c}"] }', 'it uses more than * and **'],
  ['{ repositories: ["a b"] }', 'it can match no repository'],
  ['{ repositories: ["file:///a"] }', 'it is no URL of a repository: begin it with https://'],
  ['{ repositories: ["https://h/a/../b"] }', 'it can match no URL'],
  [`{ repositories: [${'a'.repeat(257)}] }`, 'it is too long: at most 256 characters'],
  [`{ repositories: ${many(33, 'a')} }`, 'policy.repositories:'],
  [`{ refs: ${many(17, 'refs/**a**a**a**a**a**a**a**a')} }`, 'have 136 stars, at most 128'],
  [
    `{ authors: ${many(9, 'a'.repeat(256))} }`,
    'its patterns have 2304 bytes together, at most 2048'
  ],
  ['{ refs: ["a..b"] }', 'policy.refs.0: it can match no branch'],
  ['{ refs: ["refs/"] }', 'policy.refs.0: it is empty'],
  ['{ events: [tags] }', 'policy.events.0:'],
  ['{ authors: ["a\\u0007"] }', 'it has control characters'],
  ['{ images: [alpine] }', 'it has no registry: write it in full'],
  ['{ images: [team/tool] }', 'it has no registry: write it in full'],
  ['{ images: ["docker.io/library/alpine:3"] }', 'it has a tag or digest'],
  ['{ images: [docker.io/Alpine] }', 'it can match no image'],
  ['{ images: ["docker.io//a"] }', 'it can match no image'],
  ['{ registries: [docker.io/library] }', 'it is no registry: write its host alone'],
  ['{ pinned: "yes" }', 'policy.pinned:'],
  ['{ untrusted: never }', 'policy.untrusted:'],
  ['{ hours: ["20:00-06:00"] }', 'policy.zone: name the zone of the hours, as in Europe/Berlin'],
  ['{ zone: UTC }', 'policy.zone: it needs hours'],
  ['{ hours: ["20:00-06:00"], zone: Berlin }', 'policy.zone: use a time zone such as'],
  ['{ hours: [always], zone: UTC }', 'policy.hours.0: it is not like Mon-Fri 20:00-06:00'],
  ['{ hours: ["08:00-08:00"], zone: UTC }', 'the whole day is 00:00-24:00'],
  [`{ hours: ${many(17, '"08:00-09:00"')}, zone: UTC }`, 'policy.hours:'],
  ['{ load: {} }', 'policy.load: use perCore, freeMemory, memoryPressure or several'],
  ['{ load: { perCore: 0 } }', 'policy.load.perCore:'],
  ['{ load: { perCore: 65 } }', 'policy.load.perCore:'],
  ['{ load: { freeMemory: much } }', 'policy.load.freeMemory: use a size such as']
])('policy: %s is refused and says why', async (text, expected) => {
  expect(await problem(`policy: ${text}\n`)).toMatch(/^CONFIG_INVALID /)
  expect(await problem(`policy: ${text}\n`)).toContain(expected)
})
