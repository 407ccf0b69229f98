import { expect, test } from 'vitest'
import type { RunnerApi, RunnerForge, RunnerWish } from '../../../gateway/forge/runner-api.ts'
import { RUNNER_FILES } from '../../../gateway/forge/runner-api.ts'
import { forgeRig, noEnd } from '../../support/forge-rig.ts'

const FORGES = ['github', 'gitea', 'forgejo'] as const

async function runnersOf(kind: RunnerForge, scopes?: Parameters<typeof forgeRig>[1]) {
  const rig = await forgeRig(kind, scopes)
  const { runners: api } = rig.api
  if (api === undefined) throw new Error('no runners')
  const { actions } = rig.repository
  const wish: RunnerWish = {
    name: 'mesh-1',
    labels: ['linux'],
    scope: 'repository',
    group: 1,
    url: rig.forge.url
  }
  const waiting = async () => (await api.waiting(noEnd())).map(({ id }) => id)
  return { rig, api, actions, wish, waiting, repository: rig.repository }
}

const names = async (api: RunnerApi) =>
  (await api.runners('repository', noEnd())).map(({ name }) => name)

test.each(FORGES)(
  '%s lists the jobs that wait, and none that is gated, runs or is over',
  async (kind) => {
    const { actions, repository, api, waiting } = await runnersOf(kind)
    expect(await waiting()).toEqual([])
    const labels = ['linux', 'big']
    const job = actions.queue(repository, { labels, name: 'build' })
    for (const status of ['waiting', 'in_progress', 'completed'] as const) {
      actions.queue(repository, { labels, status })
    }

    const [found, ...others] = await api.waiting(noEnd())

    expect(others).toEqual([])
    const id = String(job.id)
    expect(found).toMatchObject({ id, name: 'build', labels, isWaiting: true, isFork: false })
    expect(found?.handle).toBe(kind === 'forgejo' ? job.handle : undefined)
  }
)

test.each(FORGES)('%s says of a job from elsewhere that it may be a fork', async (kind) => {
  const { rig, actions, repository, api } = await runnersOf(kind)
  const head = await rig.forge.repository('mallory/kernel')
  actions.queue(repository, { labels: ['linux'], head, event: 'pull_request' })

  expect((await api.waiting(noEnd()))[0]).toMatchObject({ isFork: true })
})

test.each(['github', 'gitea'] as const)('%s shows what became of one job', async (kind) => {
  const { actions, repository, api, wish } = await runnersOf(kind)
  const job = actions.queue(repository, { labels: ['linux'] })
  await api.register(wish, noEnd())
  const [runner] = actions.runners
  if (runner === undefined) throw new Error('not registered')
  actions.give(runner)

  const id = String(job.id)
  expect(await api.job?.(id, noEnd())).toMatchObject({ id, isWaiting: false, runner: 'mesh-1' })
  expect(await api.job?.('1', noEnd())).toBeUndefined()
})

test.each(FORGES)('a runner of %s is registered once, listed, and removed', async (kind) => {
  const { actions, api, wish } = await runnersOf(kind)

  const values = await api.register({ ...wish, handle: 'a-handle' }, noEnd())
  const listed = await api.runners('repository', noEnd())

  expect(Object.keys(values)).toEqual(RUNNER_FILES[kind].map(({ name }) => name))
  expect(listed).toMatchObject([{ name: 'mesh-1', isOnline: false, isBusy: false }])
  const id = listed[0]?.id ?? ''
  expect(await api.remove('repository', id, noEnd())).toBe('removed')
  expect(await api.remove('repository', id, noEnd())).toBe('gone')
  expect(actions.runners).toEqual([])
})

test.each(FORGES)('%s lists the runners behind the first pages, too', async (kind) => {
  const { actions, api } = await runnersOf(kind)
  for (let at = 0; at < 120; at += 1) actions.register(`mesh-${at}`, ['linux'])

  expect(new Set(await names(api))).toEqual(new Set(actions.runners.map(({ name }) => name)))
})

test('Gitea lists the jobs that wait behind the first page, too', async () => {
  const { actions, repository, waiting } = await runnersOf('gitea')
  const jobs = Array.from({ length: 60 }, () => actions.queue(repository, { labels: ['linux'] }))

  expect(new Set(await waiting())).toEqual(new Set(jobs.map(({ id }) => String(id))))
})

test.each([
  [100, 0],
  [250, 0],
  [1_050, 50]
])(
  'GitHub lists the jobs of the 100 oldest of %i runs, but for %i that it hides',
  async (...row) => {
    const [count, hidden] = row
    const { actions, repository, waiting, rig } = await runnersOf('github')
    const jobs = Array.from({ length: count }, () => {
      return actions.queue(repository, { labels: ['linux'] })
    })

    expect(await waiting()).toEqual(jobs.slice(hidden, hidden + 100).map(({ id }) => String(id)))
    const pages = rig.forge.seen.filter(({ path }) => path.endsWith('/actions/runs'))
    expect(pages.length).toBeLessThanOrEqual(4)
  }
)

test('GitHub lists the jobs of a run that are behind the first hundred, too', async () => {
  const { actions, repository, waiting } = await runnersOf('github')
  const jobs = Array.from({ length: 250 }, () => {
    return actions.queue(repository, { labels: ['linux'], runId: 7 })
  })

  expect(await waiting()).toEqual(jobs.map(({ id }) => String(id)))
})

test.each(FORGES)('a runner of %s that has a job is not removed', async (kind) => {
  const { actions, repository, api, wish } = await runnersOf(kind)
  const job = actions.queue(repository, { labels: ['linux'] })
  await api.register(wish, noEnd())
  const [runner] = actions.runners
  if (runner !== undefined) actions.give(runner, kind === 'forgejo' ? job.handle : undefined)

  const [found] = await api.runners('repository', noEnd())

  expect(found?.isBusy).toBe(true)
  expect(await api.remove('repository', found?.id ?? '', noEnd())).toBe('busy')
  expect(await names(api)).toEqual(['mesh-1'])
})

test('Gitea keeps its registration token from whoever runs there', async () => {
  const { actions, api, wish, rig } = await runnersOf('gitea')

  const { RUNNER_FILE: text = '{}' } = await api.register(wish, noEnd())

  expect(text).not.toContain(actions.registrationToken)
  const [runner] = actions.runners
  const { uuid, token } = runner ?? {}
  const address = rig.forge.url
  expect(JSON.parse(text)).toMatchObject({ uuid, token, address, ephemeral: true })
})

test.each([
  ['a group that it may not use', { group: 2 }, 404],
  ['a name that there is already', { name: 'taken' }, 409]
])('GitHub refuses %s, and says so', async (_, change, status) => {
  const { actions, api, wish } = await runnersOf('github')
  actions.register('taken', ['linux'])

  await expect(api.register({ ...wish, ...change }, noEnd())).rejects.toMatchObject({
    code: 'FORGE_REFUSED',
    facts: { status }
  })
})

test.each(FORGES)('%s makes, lists and removes the runners of an organization', async (kind) => {
  const { api, wish, rig } = await runnersOf(kind)
  const scope = 'organization'

  await api.register({ ...wish, scope }, noEnd())
  const made = rig.forge.seen.filter(({ method, path }) => {
    return method === 'POST' && path.includes('/orgs/team/actions/runners')
  })
  expect(made).toHaveLength(1)
  const [runner] = await api.runners(scope, noEnd())
  expect(runner).toMatchObject({ name: 'mesh-1', isBusy: false })
  expect(await api.remove(scope, runner?.id ?? '', noEnd())).toBe('removed')
  expect(await api.runners(scope, noEnd())).toEqual([])
})

test.each([
  ['github', 'repository', 'administration: write'],
  ['github', 'organization', 'organization_self_hosted_runners: write'],
  ['gitea', 'repository', 'write:repository'],
  ['gitea', 'organization', 'write:organization'],
  ['forgejo', 'repository', 'write:repository'],
  ['forgejo', 'organization', 'write:organization']
] as const)('%s without the right to make runners of a %s is told which: %s', async (...row) => {
  const [kind, scope, right] = row
  const { api, wish } = await runnersOf(kind, { scopes: ['read', 'write', 'hooks'] })

  for (const ask of [
    () => api.register({ ...wish, scope }, noEnd()),
    () => api.runners(scope, noEnd())
  ]) {
    await expect(ask()).rejects.toThrow(right)
  }
})

test.each([
  ['github', 403],
  ['gitea', 403],
  ['forgejo', 403]
] as const)('%s lets nobody at its runners who may not administer', async (kind, status) => {
  const { api, wish } = await runnersOf(kind, { scopes: ['read', 'write', 'hooks'] })

  for (const ask of [() => api.waiting(noEnd()), () => api.register(wish, noEnd())]) {
    await expect(ask()).rejects.toMatchObject({ code: 'FORGE_REFUSED', facts: { status } })
  }
})
