import { expect, test } from 'vitest'
import { gatewaySettingsSchema } from '../../../gateway/config.ts'
import { loadProvision } from '../../../gateway/provision/load-provision.ts'
import { entryFor, entryOf, labelsKey } from '../../../gateway/provision/provision.ts'

const RUNNER = { labels: ['self-hosted', 'Linux'], image: 'ghcr.io/actions/actions-runner:2' }

function parse(entry: object, provision: object = { runners: [RUNNER] }) {
  const where = { name: 'team/kernel', url: 'https://git.example/team/kernel.git' }
  const common = { forge: 'github', credential: 'forge', secret_file: 'hook.secret' }
  const repository = { ...where, ...common, ...entry, provision }
  return gatewaySettingsSchema.safeParse({ repositories: [repository] })
}

function problemOf(entry: object, provision?: object): string {
  const parsed = parse(entry, provision)
  const [issue] = parsed.success ? [] : parsed.error.issues
  return issue === undefined ? '' : `${issue.path.join('.')}: ${issue.message}`
}

function loaded(provision?: object) {
  const parsed = parse({}, provision)
  const [entry] = parsed.success ? parsed.data.repositories : []
  const found = entry && loadProvision(entry)
  if (found === undefined) throw new Error('not loaded')
  return found
}

test('a label set with its image is enough, and everything else has its default', () => {
  const { runners, ...rest } = loaded()

  const url = 'https://git.example'
  expect(rest).toEqual({ forge: 'github', scope: 'repository', group: 1, forks: 'refuse', url })
  expect(runners).toMatchObject([
    { slotsMax: 4, network: 'internet', timeoutMs: 21_600_000, idleMs: 600_000 }
  ])
})

test('what is said of a set is what its slots are made of', () => {
  const { runners, url, scope } = loaded({
    scope: 'organization',
    url: 'http://10.1.2.3:3000/',
    runners: [
      {
        ...RUNNER,
        slots: 2,
        resources: { cpu: 2, memory: '4GiB', disk: '20GiB' },
        isolation: 'userns',
        network: { allow: ['10.1.2.3:3000'] },
        host_labels: { zone: 'lab' },
        timeout: '2h',
        idle: '90s'
      }
    ]
  })

  expect([url, scope]).toEqual(['http://10.1.2.3:3000', 'organization'])
  expect(runners).toMatchObject([
    {
      slotsMax: 2,
      resources: { cpuMilli: 2_000, memoryBytes: 4 * 2 ** 30, diskBytes: 20 * 2 ** 30 },
      isolation: 'userns',
      network: { allow: ['10.1.2.3:3000'] },
      hostLabels: { zone: 'lab' },
      timeoutMs: 7_200_000,
      idleMs: 90_000
    }
  ])
})

test('runners without a credential that may make them are refused with the way out', () => {
  const problem = problemOf({ credential: undefined })

  expect(problem).toContain('repositories.0.provision: it needs `credential`')
  expect(problem).toContain('gateway credential set')
})

test.each(['git', 'gitlab'])(
  'runners of %s are refused, since none ends after one job',
  (forge) => {
    expect(problemOf({ forge, credential: undefined })).toContain(
      'it is for github, gitea and forgejo'
    )
  }
)

test.each([
  ['no label set', { runners: [] }, 'runners'],
  ['a set without labels', { runners: [{ ...RUNNER, labels: [] }] }, 'runners.0.labels'],
  ['a label for a shell', { runners: [{ ...RUNNER, labels: ["x'; id"] }] }, 'runners.0.labels.0'],
  ['a label with an engine', { runners: [{ ...RUNNER, labels: ['x:docker'] }] }, 'labels.0'],
  ['no image', { runners: [{ labels: ['x'] }] }, 'runners.0.image'],
  ['a program with options', { runners: [{ ...RUNNER, program: 'run.sh; id' }] }, 'program'],
  ['no slot', { runners: [{ ...RUNNER, slots: 0 }] }, 'runners.0.slots'],
  ['a user in the URL', { url: 'http://me@git.example', runners: [RUNNER] }, 'provision.url'],
  [
    'one set twice',
    { runners: [RUNNER, { ...RUNNER, labels: ['linux', 'SELF-HOSTED'] }] },
    '1.labels'
  ],
  ['an unknown key', { runners: [RUNNER], labels: ['x'] }, 'provision']
])('%s is refused where it stands', (_, provision, where) => {
  expect(problemOf({}, provision).split(': ')[0]).toContain(where)
})

test('a job is for the first set that has all of its labels, in any case and order', () => {
  const big = { ...RUNNER, labels: ['linux', 'big', 'arm'] }
  const provision = loaded({ runners: [RUNNER, big] })
  const [small, large] = provision.runners

  expect(entryFor(provision, ['LINUX'])).toBe(small)
  expect(entryFor(provision, ['arm', 'linux'])).toBe(large)
  expect(entryFor(provision, ['arm', 'self-hosted'])).toBeUndefined()
  // Whose runners a job without labels is for, nobody has said.
  expect(entryFor(provision, [])).toBeUndefined()
  expect(entryOf(provision, ['ARM', 'big', 'linux'])).toBe(large)
  expect(entryOf(provision, ['arm', 'linux'])).toBeUndefined()
  expect(labelsKey(['b', 'A', 'a'])).toBe('a,b')
})
