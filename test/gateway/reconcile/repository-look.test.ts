import { expect, test, vi } from 'vitest'
import type { HeadsRow } from '../../../gateway/reconcile/heads-row.ts'
import { RepositoryLook } from '../../../gateway/reconcile/repository-look.ts'
import type { Repository } from '../../../gateway/repositories.ts'
import type { Arrival, Reception } from '../../../gateway/source-door.ts'
import { originOf } from '../../../gateway/source-event.ts'
import { codeOf, MeshError } from '../../../protocol/core/errors.ts'
import { RECONCILE_OVERLAP_MS } from '../../../protocol/core/forge-limits.ts'
import { systemClock } from '../../../protocol/host/clock.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { runIdOfOrigin } from '../../../protocol/wire/run-id.ts'
import type { FakeForgeKind } from '../../support/fake-forge-world.ts'
import { type ForgeRigOptions, forgeRig, noEnd } from '../../support/forge-rig.ts'
import { repositoryOf } from '../../support/gateway-rig.ts'
import { GitFixture } from '../../support/git-fixture.ts'
import { hookReceiver } from '../../support/hook-receiver.ts'
import { keptLog } from '../../support/kept-log.ts'
import { SteeredClock } from '../../support/steered-clock.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

/** Takes each run once, as the inbox does. */
class ScriptedDoor {
  readonly arrivals: Arrival[] = []
  readonly runs = new Set<string>()
  failure: Error | undefined

  async admit(arrival: Arrival): Promise<Reception> {
    await Promise.resolve()
    if (this.failure !== undefined) throw this.failure
    const run = runIdOfOrigin(originOf(arrival.event, arrival.repository.url))
    const verdict = this.runs.has(run) ? 'duplicate' : 'accepted'
    this.runs.add(run)
    if (verdict === 'accepted') this.arrivals.push(arrival)
    return { verdict, delivery: arrival.id, run, reason: '' }
  }

  shown(): string[] {
    return this.arrivals.map(({ event }) => {
      return `${event.kind} ${event.ref} ${'after' in event ? event.after : 'head' in event ? event.head : ''}`
    })
  }
}

async function rig(kind: FakeForgeKind, options: ForgeRigOptions = {}, log = silentLog()) {
  const forge = await forgeRig(kind, options)
  const { holder, apis, credentials } = forge
  const wall = new SteeredClock(0)
  const door = new ScriptedDoor()
  const declared: Repository = {
    ...repositoryOf(kind, 'team/kernel', { url: holder.url, branches: ['main', 'release/*'] }),
    credential: holder.credential
  }
  const look = new RepositoryLook({
    apis,
    access: (_repository, signal) => credentials.access(holder, signal),
    door,
    clock: wall,
    log
  })
  let row: HeadsRow | undefined
  /** Looks until nothing is left that its hook may be about to bring. */
  const settle = async (): Promise<number> => {
    for (let looks = 1; ; looks += 1) {
      const looked = await look.look(declared, row, noEnd())
      row = looked.row
      if (!looked.isUnsettled) return looks
      if (looks > 9) throw new Error('it never settles')
    }
  }
  return { ...forge, door, look, declared, settle, wall, row: () => row }
}

const byText = (a: string, b: string): number => (a < b ? -1 : 1)

const clock = systemClock()

const KINDS: readonly FakeForgeKind[] = ['gitea', 'forgejo', 'github', 'gitlab']

test.each(KINDS)('%s: nothing is run for what was there before the first look', async (kind) => {
  const { door, repository, settle, row } = await rig(kind)
  const commit = await repository.commit({ a: '1' })
  await repository.tag('v1', commit, 'annotated')

  await settle()

  expect(door.arrivals).toEqual([])
  expect(row()?.refs).toEqual({ 'refs/heads/main': commit, 'refs/tags/v1': commit })
})

test.each(KINDS)(
  '%s: pushes, tags and pull requests of a time without hooks are found',
  async (kind) => {
    const { door, forge, repository, settle } = await rig(kind)
    await repository.commit({ a: '1' })
    await settle()

    const second = await repository.commit({ a: '2' })
    await repository.commit({ a: '3' }, 'not-selected')
    await repository.tag('v1', second, 'annotated')
    const fork = await forge.repository('omar/kernel')
    const foreign = await fork.commit({ a: '4' }, 'fix')
    const pull = { author: 'omar', source: fork, headBranch: 'fix', headCommit: foreign }
    await forge.openPull(repository, pull)
    const looks = await settle()
    await settle()

    const folder = kind === 'gitlab' ? 'merge-requests' : 'pull'
    expect(looks).toBe(2)
    expect(door.shown().toSorted(byText)).toEqual([
      `pull_request refs/${folder}/1/head ${foreign}`,
      `push refs/heads/main ${second}`,
      `tag refs/tags/v1 ${second}`
    ])
    const ids = door.arrivals.map(({ event }) => event.repositoryId)
    expect(new Set(ids)).toEqual(new Set([String(repository.id)]))
  }
)

test('a push that its hook brings meanwhile is one run', async () => {
  const { declared, door, repository, settle, look, row } = await rig('gitea')
  await repository.commit({ a: '1' })
  await settle()
  const after = await repository.commit({ a: '2' })
  const seen = await look.look(declared, row(), noEnd())
  const named = { repository: 'team/kernel', repositoryId: String(repository.id) }
  const push = { kind: 'push', ref: 'refs/heads/main', after, before: '0'.repeat(40) } as const
  const event = { ...named, ...push, pusher: 'lena', time: '' }
  await door.admit({ bringer: 'hook', id: '1', event, repository: declared, receivedAtMs: 0 })

  await settle()

  expect(seen.isUnsettled).toBe(true)
  expect(door.arrivals).toHaveLength(1)
  expect(door.arrivals[0]?.bringer).toBe('hook')
})

test('what could not be stored is found again', async () => {
  const { door, repository, settle } = await rig('github')
  await repository.commit({ a: '1' })
  await settle()
  const after = await repository.commit({ a: '2' })
  door.failure = new MeshError('OVERLOADED', { what: 'the intake', max: 1 })

  const error = await settle().catch((thrown: unknown) => thrown)
  door.failure = undefined
  await settle()

  expect(codeOf(error)).toBe('OVERLOADED')
  expect(door.shown()).toEqual([`push refs/heads/main ${after}`])
})

test('a branch that goes and one that comes back to an earlier commit start nothing twice', async () => {
  const { door, repository, settle } = await rig('gitlab')
  const first = await repository.commit({ a: '1' })
  await settle()
  const second = await repository.commit({ a: '2' })
  await settle()
  await repository.git(['update-ref', 'refs/heads/main', first])
  await settle()
  await repository.git(['update-ref', '-d', 'refs/heads/main'])
  await settle()
  await repository.git(['update-ref', 'refs/heads/main', second])
  await settle()

  expect(door.shown()).toEqual([`push refs/heads/main ${second}`, `push refs/heads/main ${first}`])
})

test('without a credential a public repository is looked at by git, and its number is asked for', async () => {
  const { door, forge, repository, settle } = await rig('gitea', { isStranger: true })
  await repository.commit({ a: '1' })
  await settle()
  const after = await repository.commit({ a: '2' })
  await repository.tag('v1', after, 'annotated')
  await settle()

  expect(door.shown().toSorted(byText)).toEqual([
    `push refs/heads/main ${after}`,
    `tag refs/tags/v1 ${after}`
  ])
  expect(forge.seen.every(({ path }) => path === '/repos/team/kernel')).toBe(true)
})

test.each(['github', 'gitlab'] as const)(
  '%s is asked to send again what nobody took, before its refs are compared',
  async (kind) => {
    const { door, forge, repository, settle } = await rig(kind)
    await repository.commit({ a: '1' })
    await settle()
    const hook = forge.addHook(repository, `http://127.0.0.1:9/hooks/${kind}`, 'a secret of ours')
    const after = await repository.commit({ a: '2' })
    await forge.push(repository, { ref: 'refs/heads/main', after })

    await settle()

    expect(hook.deliveries.filter(({ isRedelivery }) => isRedelivery)).toHaveLength(3)
    expect(door.shown()).toEqual([`push refs/heads/main ${after}`])
  }
)

test('GitLab sends five a minute again, and the sixth when it may', async () => {
  const { forge, repository, settle } = await rig('gitlab')
  let aheadMs = 0
  forge.world.nowMs = () => clock.wallMs() + aheadMs
  await repository.commit({ a: '1' })
  await settle()
  const { state, url } = await hookReceiver()
  const hook = forge.addHook(repository, `${url}/hooks/gitlab`, 'a secret of ours')
  const after = await repository.commit({ a: '2' })
  for (let at = 0; at < 6; at += 1) await forge.push(repository, { ref: 'refs/heads/main', after })
  state.status = 202

  const sentAgain = () =>
    hook.deliveries.filter(({ isRedelivery }) => isRedelivery).map(({ guid }) => guid)
  const error = await settle().catch((thrown: unknown) => thrown)
  const first = sentAgain()
  aheadMs = 61_000
  await settle()

  expect(codeOf(error)).toBe('FORGE_LIMITED')
  expect(first).toHaveLength(5)
  expect(sentAgain()).toHaveLength(6)
  expect(new Set(sentAgain()).size).toBe(6)
})

test('what GitLab has brought after all is not asked about for days', async () => {
  const { forge, repository, settle, wall } = await rig('gitlab')
  await repository.commit({ a: '1' })
  await settle()
  const { state, url } = await hookReceiver()
  forge.addHook(repository, `${url}/hooks/gitlab`, 'a secret of ours')
  const after = await repository.commit({ a: '2' })
  await forge.push(repository, { ref: 'refs/heads/main', after })
  state.status = 202
  const asked = async (): Promise<number> => {
    const before = forge.seen.length
    await settle()
    return forge.seen.slice(before).filter(({ path }) => path.endsWith('/events')).length
  }
  await settle()

  expect(await asked()).toBe(3)
  wall.jumpWall(RECONCILE_OVERLAP_MS + 60_000)
  await settle()
  expect(await asked()).toBe(2)
})

test.each([
  ['github', 404],
  ['gitlab', 403]
] as const)(
  '%s: who may not see hooks compares refs all the same, and is told once',
  async (kind, status) => {
    const { log, lines } = keptLog()
    const options = { scopes: ['read', 'write'] } as const
    const { door, forge, repository, settle } = await rig(kind, options, log)
    await repository.commit({ a: '1' })
    await settle()
    const after = await repository.commit({ a: '2' })

    await settle()
    await settle()

    expect(door.shown()).toEqual([`push refs/heads/main ${after}`])
    const asked = forge.seen.filter(({ path }) => path.endsWith('/hooks'))
    expect(asked.map((each) => each.status)).toEqual([status])
    expect(lines.filter(({ msg }) => msg === 'deliveries not shown')).toHaveLength(1)
  }
)

test.each([/\/events$/, /\/resend$/])(
  'a GitLab that is older than %s compares refs all the same',
  async (match) => {
    const { log, lines } = keptLog()
    const { door, forge, repository, settle } = await rig('gitlab', {}, log)
    forge.fault({ match, kind: { status: 404, body: '{"error":"404 Not Found"}' } })
    await repository.commit({ a: '1' })
    await settle()
    forge.addHook(repository, 'http://127.0.0.1:9/hooks/gitlab', 'a secret of ours')
    const after = await repository.commit({ a: '2' })
    await forge.push(repository, { ref: 'refs/heads/main', after })

    await settle()
    await settle()

    expect(door.shown()).toEqual([`push refs/heads/main ${after}`])
    expect(forge.seen.filter(({ path }) => match.test(path))).toHaveLength(1)
    expect(lines.filter(({ msg }) => msg === 'deliveries not shown')).toHaveLength(1)
  }
)

test('what has not changed costs GitHub nothing', async () => {
  const { forge, repository, settle } = await rig('github')
  await repository.commit({ a: '1' })
  await settle()
  await settle()
  const before = forge.seen.length
  await settle()

  const statuses = forge.seen.slice(before).map(({ status }) => status)
  expect(statuses.length).toBeGreaterThan(2)
  expect(new Set(statuses)).toEqual(new Set([304]))
})

test('another repository under the same name begins anew', async () => {
  const { door, repository, settle, row, look, declared } = await rig('gitea')
  await repository.commit({ a: '1' })
  await settle()
  const before = row()
  if (before === undefined) throw new Error('no row')
  const other = { ...before, url: 'https://elsewhere.example/team/kernel.git', refs: {} }

  const { row: seen, isUnsettled } = await look.look(declared, other, noEnd())

  expect([isUnsettled, door.arrivals]).toEqual([false, []])
  expect(seen.url).toBe(declared.url)
})

test('a bare repository is looked at by git alone', async () => {
  const git = await GitFixture.serve()
  try {
    const door = new ScriptedDoor()
    const declared = repositoryOf('git', 'team/kernel', { url: git.url })
    const look = new RepositoryLook({
      apis: { of: () => undefined },
      access: () => Promise.resolve(undefined),
      door,
      clock,
      log: silentLog()
    })
    await git.commit({ a: '1' })
    let { row } = await look.look(declared, undefined, noEnd())
    const after = await git.commit({ a: '2' })
    row = (await look.look(declared, row, noEnd())).row
    await look.look(declared, row, noEnd())

    expect(door.shown()).toEqual([`push refs/heads/main ${after}`])
    expect(door.arrivals[0]?.event.repositoryId).toBeUndefined()
  } finally {
    await git.stop()
  }
})
