import { expect, onTestFinished, test, vi } from 'vitest'
import type { Repository } from '../../../gateway/repositories.ts'
import { Outbox } from '../../../gateway/status/outbox.ts'
import { StatusReporter } from '../../../gateway/status/status-reporter.ts'
import { DeclaredSender } from '../../../gateway/status/status-sender.ts'
import { Board } from '../../../protocol/core/board.ts'
import type { JobOpBody } from '../../../protocol/core/job.ts'
import { systemClock } from '../../../protocol/host/clock.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import type { RowTable } from '../../../protocol/store/row-table.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import { eventually } from '../../support/eventually.ts'
import type { FakeForgeKind } from '../../support/fake-forge-world.ts'
import { forgeRig } from '../../support/forge-rig.ts'
import { repositoryOf } from '../../support/gateway-rig.ts'
import { claimed, completed, jobLife, sealedRun } from '../../support/run-life.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { storeIn, temporaryFolder } from '../../support/store-folder.ts'

/* From the board to the forge, with a real store and over real HTTP. */

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 })

const KINDS: readonly FakeForgeKind[] = ['gitea', 'forgejo', 'github', 'gitlab']
const PIPELINE = 'jobs:\n  build: { image: "debian:13", steps: [{ run: make }] }'
const KEY = generateKey()
const clock = systemClock()

async function rig(kind: FakeForgeKind) {
  const forge = await forgeRig(kind, { requestMs: 2_000 })
  const { repository, apis, holder } = forge
  const commit = await repository.commit({ a: 'a' })
  const sealed = sealedRun(KEY, { commit, pipeline: PIPELINE })
  const board = new Board()
  board.addRun(sealed, 0)
  const url = sealed.announcement.manifest.url
  // The run is of the declared URL; the API is that of the forge of this test.
  const declared: Repository = {
    ...repositoryOf(kind, 'team/kernel', { url }),
    credential: 'forge'
  }
  const repositories = { find: () => declared }
  const toForge = { of: () => apis.of(holder) }

  /** One gateway on the store, until it is stopped. */
  const gateway = async (table: RowTable) => {
    const sender = new DeclaredSender({ repositories, apis: toForge, clock })
    const random = new SeededRandom(7)
    const outbox = new Outbox({ table, sender, clock, random, log: silentLog() })
    const linked = () => new Set<string>()
    const self = KEY.peerId
    const reporter = new StatusReporter(
      { board, outbox, repositories, self, linked, clock, log: silentLog() },
      { publicUrl: 'https://mesh.example' }
    )
    await outbox.start()
    reporter.start()
    const stop = async (): Promise<void> => {
      reporter.stop()
      await outbox.stop(0)
    }
    onTestFinished(stop)
    return { outbox, stop }
  }
  const live = (...deeds: readonly (readonly [string, JobOpBody])[]): void => {
    board.foldJob(jobLife(sealed, 0, ...deeds), 0)
  }
  const states = (context: string): string[] =>
    repository.statuses.filter((each) => each.context === context).flatMap((each) => each.history)
  return { ...forge, gateway, live, states }
}

const WORDS = {
  gitea: ['pending', 'pending', 'success'],
  forgejo: ['pending', 'pending', 'success'],
  github: ['pending', 'pending', 'success'],
  gitlab: ['pending', 'running', 'success']
}

test.each(KINDS)('%s: a run and its job are told from the queue to the end', async (kind) => {
  const { gateway, live, states, repository } = await rig(kind)
  const store = await storeIn(`${await temporaryFolder()}/store`)
  for (const deeds of [
    [],
    [['a', claimed()]],
    [
      ['a', claimed()],
      ['a', completed()]
    ]
  ] as const) {
    live(...deeds)
    // Each start compares the whole board with what was told.
    const { outbox, stop } = await gateway(store.outbox)
    await eventually('all is told', () => repository.statuses.length > 0 && settledIn(outbox))
    await stop()
  }

  expect(states('runner-mesh')).toEqual(WORDS[kind])
  expect(states('runner-mesh/build')).toEqual(WORDS[kind])
  expect(repository.statuses.at(-1)?.targetUrl).toMatch(/^https:\/\/mesh\.example\/(runs|jobs)\//)
})

test.each(KINDS)(
  '%s: a status whose answer was lost with its gateway is told again, and ends well',
  async (kind) => {
    const { forge, gateway, live, states } = await rig(kind)
    const dir = `${await temporaryFolder()}/store`
    const store = await storeIn(dir)
    live(['a', claimed()])
    forge.fault({ match: /POST .*statuses/, kind: 'hang', after: 'done' })
    const first = await gateway(store.outbox)
    await eventually('the forge has it', () => states('runner-mesh/build').length > 0)
    await first.stop()
    await store.close()
    forge.heal()

    live(['a', claimed()], ['a', completed()])
    const second = await gateway((await storeIn(dir)).outbox)
    await eventually('the end is told', () => second.outbox.open === 0)

    const all = states('runner-mesh/build')
    expect(all.at(-1)).toBe('success')
    expect(all.filter((state) => state === 'success')).toHaveLength(1)
  }
)

test('GitLab has the state already, and that counts as told', async () => {
  const { forge, gateway, live, states } = await rig('gitlab')
  const dir = `${await temporaryFolder()}/store`
  const store = await storeIn(dir)
  live(['a', claimed()])
  forge.fault({ match: /POST .*statuses/, kind: 'hang', after: 'done' })
  const first = await gateway(store.outbox)
  await eventually('the forge has both', () => {
    return states('runner-mesh').length + states('runner-mesh/build').length === 2
  })
  await first.stop()
  await store.close()
  forge.heal()

  const second = await gateway((await storeIn(dir)).outbox)
  await eventually('both are tried again', () => {
    return forge.seen.filter(({ status }) => status === 400).length === 2
  })
  await eventually('and nothing waits', () => settledIn(second.outbox))

  expect(states('runner-mesh/build')).toEqual(['running'])
  expect(second.outbox.givenUp(9)).toEqual([])
})

test("GitHub's thousandth status of a context is the last, and an operator sees why", async () => {
  const { gateway, live, repository } = await rig('github')
  const commit = await repository.commitOf('refs/heads/main')
  for (let index = 0; index < 1_000; index += 1) {
    repository.statuses.push({
      id: index,
      sha: commit ?? '',
      context: 'runner-mesh/build',
      state: 'pending',
      description: '',
      targetUrl: '',
      ref: '',
      history: []
    })
  }
  live()
  const { outbox } = await gateway((await storeIn(`${await temporaryFolder()}/store`)).outbox)

  const [given] = await eventually(
    'it is given up',
    () => {
      return outbox.givenUp(9).length > 0 && outbox.givenUp(9)
    },
    30_000
  )

  expect(given?.reason).toContain('maximum number of statuses')
})

/** Nothing is left to send: what goes on is told as it is. */
function settledIn(outbox: Outbox): boolean {
  return outbox.unsent === 0
}
