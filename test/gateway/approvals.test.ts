import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Approvals } from '../../gateway/approvals.ts'
import { FORGE_HOOKS } from '../../gateway/hooks/forge-hooks.ts'
import { Receiver } from '../../gateway/hooks/receiver.ts'
import type { Intake } from '../../gateway/intake.ts'
import type { Approval } from '../../gateway/ports.ts'
import { Repositories } from '../../gateway/repositories.ts'
import { ruleAgainst } from '../../gateway/secrets/secret-rules.ts'
import { SourceDoor } from '../../gateway/source-door.ts'
import { codeOf } from '../../protocol/core/errors.ts'
import { REPOSITORY_APPROVALS_MAX } from '../../protocol/core/intake-limits.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { runIdOfOrigin } from '../../protocol/wire/run-id.ts'
import { eventually } from '../support/eventually.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { forgePost } from '../support/forge-delivery.ts'
import {
  commitOf,
  factsOf,
  repositoryOf,
  ScriptedCommits,
  ScriptedFacts
} from '../support/gateway-rig.ts'
import { IntakeRig } from '../support/intake-rig.ts'
import { NO_JOBS } from '../support/no-jobs.ts'
import { type PullRequestChange, pullRequestBody } from '../support/pull-request-delivery.ts'

/* Pull requests of strangers, from the hook to the run. */

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const URL = 'https://git.example/team/kernel.git'
const HEAD = 'c'.repeat(40)
const NEXT = 'd'.repeat(40)
const PIPELINE = [
  'on: { pull_request: {} }',
  'jobs:',
  '  build: { image: "debian:13", secrets: [TOKEN], steps: [{ run: make }] }'
].join('\n')

const rigs: IntakeRig[] = []
let facts: ScriptedFacts
let commits: ScriptedCommits
let deliveries = 0

/** One gateway; of several, each has a store of its own. */
class Gateway {
  readonly rig: IntakeRig
  intake!: Intake
  approvals!: Approvals
  #receiver!: Receiver
  readonly #approval: Approval

  private constructor(rig: IntakeRig, approval: Approval) {
    this.rig = rig
    this.#approval = approval
  }

  static async make(approval: Approval = 'first_time'): Promise<Gateway> {
    const rig = await IntakeRig.make()
    rigs.push(rig)
    const gateway = new Gateway(rig, approval)
    await gateway.start()
    return gateway
  }

  async start(): Promise<void> {
    const { rig } = this
    const approval = this.#approval
    const declared = repositoryOf('gitea', 'team/kernel', { url: URL, approval })
    const repositories = new Repositories([declared])
    const log = silentLog()
    const { inbox } = rig.store
    this.intake = rig.intake({ commits, facts, repositories })
    this.approvals = new Approvals({ inbox, intake: this.intake, onEnded: () => undefined, log })
    const disk = { problem: undefined }
    const door = new SourceDoor({ inbox, intake: this.intake, disk, runIdOf: runIdOfOrigin })
    const numbers = { problem: () => Promise.resolve(undefined) }
    const parts = { door, repositories, numbers, jobs: NO_JOBS, log }
    this.#receiver = new Receiver({ ...parts, clock: new FakeClock() })
    await this.intake.start()
  }

  async post(action: string, head = HEAD, number = 7, change: PullRequestChange = {}) {
    deliveries += 1
    const body = pullRequestBody({ action, head, number, ...change })
    const id = `delivery-${deliveries}`
    const { headers } = forgePost('gitea', body, { event: 'pull_request', id })
    return await this.#receiver.receive(FORGE_HOOKS.gitea, headers, Buffer.from(body))
  }

  /** Sent from one branch to another, as its author may. */
  async sentTo(base: string) {
    facts.answer = factsOf({ baseBranch: base })
    const updatedAt = String(deliveries)
    return await this.post('edited', HEAD, 7, { base, updatedAt, changes: { ref: { from: '' } } })
  }

  /** Opened, and waiting; with the id of its run. */
  async opened(head = HEAD): Promise<string> {
    const { run } = await this.post('opened', head)
    await eventually('it waits', () => this.waits(run))
    return run
  }

  waits(run: string): boolean {
    return this.approvals.waiting().some(({ runId }) => runId === run)
  }

  recorded(run: string) {
    return eventually('it is recorded', () => this.rig.registers.chosen.get(run))
  }

  /** Why it has ended; false while it has not. */
  async reasonOf(run: string): Promise<string | false> {
    const delivery = await this.rig.store.inbox.byRun(run)
    return delivery?.state === 'ignored' && delivery.reason
  }
}

let gateway: Gateway

beforeEach(async () => {
  facts = new ScriptedFacts(factsOf())
  commits = new ScriptedCommits(commitOf(PIPELINE))
  gateway = await Gateway.make()
})

afterEach(async () => {
  await Promise.all(rigs.splice(0).map((rig) => rig.stop()))
})

describe('a pull request from a fork of an author who is not known', () => {
  test('waits, and nothing of it is announced', async () => {
    const run = await gateway.opened()

    expect(gateway.approvals.waiting()).toMatchObject([
      {
        runId: run,
        reason: 'pull request 7 of mallory, from a fork to main, waits for an approval'
      }
    ])
    expect(gateway.rig.registers.proposed).toEqual([])
    expect(gateway.rig.store.inbox.openAnnouncements()).toEqual([])
  })

  test('runs once it is approved: not trusted, by the file of its base, without secrets', async () => {
    const run = await gateway.opened()

    await gateway.approvals.approve(run, 'lena')

    const { manifest } = (await gateway.recorded(run)).announcement
    expect(manifest).toMatchObject({ trust: 'untrusted', fork: true, base: 'main' })
    expect(new Set(commits.branches)).toEqual(new Set(['main']))
    const open = { events: ['pull_request'], branches: [], images: [] }
    expect(ruleAgainst(open, manifest, 'debian:13')).toBe('untrusted')
    expect(gateway.approvals.waiting()).toEqual([])
    expect((await gateway.rig.store.inbox.byRun(run))?.approvedBy).toBe('lena')
  })

  test('still waits after a restart, and what was approved before one runs after it', async () => {
    const run = await gateway.opened()
    await gateway.rig.restart()
    await gateway.start()
    expect(gateway.waits(run)).toBe(true)

    // The process dies between the approval and its run.
    gateway.rig.registers.epoch = undefined
    await gateway.approvals.approve(run, 'lena')
    await gateway.rig.restart()
    gateway.rig.registers.epoch = 1
    await gateway.start()

    await gateway.recorded(run)
  })

  test('waits once, however often its forge tells of it', async () => {
    const run = await gateway.opened()

    const again = await gateway.post('label_updated')

    expect(again).toMatchObject({ verdict: 'duplicate', run })
    expect(gateway.approvals.waiting()).toHaveLength(1)
  })
})

describe('who waits', () => {
  test.each([
    ['first_time', { isKnownAuthor: true }, false],
    ['first_time', { isKnownAuthor: false, isFork: false }, false],
    ['always', { isKnownAuthor: true }, true],
    ['always', { isKnownAuthor: true, isFork: false }, false],
    ['never', { isKnownAuthor: false }, false]
  ] as const)('approval: %s, of %j: %s', async (approval, change, waits) => {
    facts.answer = factsOf(change)
    const other = await Gateway.make(approval)

    const { run } = await other.post('opened')
    const found = await eventually('it waits or runs', () => {
      const isAnnounced = other.rig.registers.chosen.has(run)
      return (isAnnounced && 'runs') || (other.waits(run) && 'waits')
    })

    expect(found).toBe(waits ? 'waits' : 'runs')
  })

  test('no more of one repository than somebody could look through', async () => {
    for (let number = 1; number <= REPOSITORY_APPROVALS_MAX; number += 1) {
      await gateway.post('opened', HEAD, number)
    }
    await eventually('all wait', () => {
      return gateway.approvals.waiting().length === REPOSITORY_APPROVALS_MAX
    })

    const { run } = await gateway.post('opened', HEAD, REPOSITORY_APPROVALS_MAX + 1)

    const reason = await eventually('it has ended', () => gateway.reasonOf(run))
    expect(reason).toContain('wait for an approval already: approve or close some')
    expect((await gateway.post('reopened', HEAD, REPOSITORY_APPROVALS_MAX + 1)).run).toBe(run)
  })
})

describe('a new push to it', () => {
  test('ends the one that waited, which nobody can approve any more', async () => {
    const run = await gateway.opened()
    facts.answer = factsOf({ headCommit: NEXT })

    const next = await gateway.opened(NEXT)

    expect(await gateway.reasonOf(run)).toContain(`superseded: pull request 7 is at ${NEXT} now`)
    expect(await gateway.approvals.approve(run, 'lena').catch(codeOf)).toBe('APPROVAL_NOT_WAITED')
    expect(gateway.approvals.waiting()).toMatchObject([{ runId: next }])
  })

  test('voids an approval that was not announced yet', async () => {
    const run = await gateway.opened()
    facts.before = async () => {
      facts.answer = factsOf({ headCommit: NEXT })
      facts.before = () => Promise.resolve()
      await gateway.post('synchronized', NEXT)
    }

    await gateway.approvals.approve(run, 'lena')

    await eventually('it is superseded', () => gateway.reasonOf(run))
    expect(gateway.rig.registers.proposed).toEqual([])
  })

  test('voids it for good: the head of before needs another one', async () => {
    const run = await gateway.opened()
    facts.answer = factsOf({ headCommit: NEXT })
    await gateway.opened(NEXT)
    facts.answer = factsOf()

    const again = await gateway.post('synchronized')

    expect(again).toMatchObject({ verdict: 'accepted', run })
    await eventually('it waits again', () => gateway.waits(run))
  })

  test('is seen while the commit of the approved one was read', async () => {
    const run = await gateway.opened()
    const asked = facts.asked
    facts.before = () => {
      // The first time it is as it was approved, and right before the announcement it is not.
      if (facts.asked === asked + 2) facts.answer = factsOf({ headCommit: NEXT })
      return Promise.resolve()
    }
    await gateway.approvals.approve(run, 'lena')
    await eventually('it was asked twice', () => facts.asked >= asked + 2)

    await gateway.post('synchronized', NEXT)

    await eventually('the next one waits', () => gateway.approvals.waiting().length === 1)
    expect(gateway.rig.registers.proposed).toEqual([])
  })
})

describe('sending it to another branch', () => {
  test('voids an approval, although no delivery has told of it', async () => {
    const run = await gateway.opened()
    facts.answer = factsOf({ baseBranch: 'old' })

    await gateway.approvals.approve(run, 'lena')

    const reason = 'pull request 7 of mallory, from a fork to old, waits for an approval'
    await eventually('it waits again', () => gateway.approvals.waiting()[0]?.reason === reason)
    expect(gateway.rig.registers.proposed).toEqual([])
    await gateway.approvals.approve(run, 'lena')
    expect((await gateway.recorded(run)).announcement.manifest.base).toBe('old')
  })

  test('ends what waits, and is another run that waits', async () => {
    const run = await gateway.opened()

    const sent = await gateway.sentTo('old')

    await eventually('it waits', () => gateway.waits(sent.run))
    expect(gateway.waits(run)).toBe(false)
    expect(await gateway.reasonOf(run)).toContain('superseded: pull request 7 goes to old now')
  })

  test('runs what the file there says, and again what the first one says', async () => {
    facts.answer = factsOf({ isKnownAuthor: true })
    const { run } = await gateway.post('opened')
    await gateway.recorded(run)
    facts.before = () => {
      if (!(facts.answer instanceof Error)) facts.answer = { ...facts.answer, isKnownAuthor: true }
      return Promise.resolve()
    }

    const old = await gateway.sentTo('old')
    expect((await gateway.recorded(old.run)).announcement.manifest.base).toBe('old')
    const back = await gateway.sentTo('main')
    expect((await gateway.recorded(back.run)).announcement.manifest.base).toBe('main')

    expect(new Set([run, old.run, back.run]).size).toBe(3)
    expect(await gateway.post('label_updated')).toMatchObject({ verdict: 'duplicate', run })
  })

  test('is not believed where the forge says otherwise', async () => {
    facts.answer = factsOf({ isKnownAuthor: true })
    const { run } = await gateway.post('opened')
    await gateway.recorded(run)

    const change = { base: 'old', changes: { ref: { from: 'main' } } }
    const forged = await gateway.post('edited', HEAD, 7, change)

    const reason = await eventually('it has ended', () => gateway.reasonOf(forged.run))
    expect(reason).toContain('superseded: pull request 7 goes to main now')
    expect(gateway.rig.registers.chosen.has(forged.run)).toBe(false)
  })
})

test('closing it ends what waits of it', async () => {
  const run = await gateway.opened()
  facts.answer = factsOf({ isOpen: false })

  const closed = await gateway.post('closed')

  expect(closed).toMatchObject({ verdict: 'ignored', run: '' })
  expect(closed.reason).toBe('pull request 7 was closed: what was waiting of it ends')
  const reason = await eventually('it has ended', () => gateway.reasonOf(run))
  expect(reason).toBe('pull request 7 is closed')
  expect(await gateway.approvals.approve(run, 'lena').catch(codeOf)).toBe('APPROVAL_NOT_WAITED')
})

test('a forged word of closing ends nothing: the forge is asked', async () => {
  const run = await gateway.opened()

  await gateway.post('closed')

  await eventually('it waits again', () => facts.asked >= 2 && gateway.waits(run))
})

describe('an approval is refused', () => {
  test('a second time, with who gave the first', async () => {
    const run = await gateway.opened()

    const answers = await Promise.allSettled([
      gateway.approvals.approve(run, 'lena'),
      gateway.approvals.approve(run, 'finn')
    ])

    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    await gateway.recorded(run)
    const error = await gateway.approvals.approve(run, 'finn').catch((thrown: Error) => thrown)
    expect(codeOf(error)).toBe('APPROVAL_GIVEN')
    expect(String(error)).toContain('by lena')
  })

  test('for a run that nobody knows, and for one that needs none', async () => {
    facts.answer = factsOf({ isKnownAuthor: true })
    const { run } = await gateway.post('opened')
    await gateway.recorded(run)

    expect(await gateway.approvals.approve('7K3QF2', 'lena').catch(codeOf)).toBe('RUN_UNKNOWN')
    await eventually('it is not looked at any more', async () => {
      return (await gateway.approvals.approve(run, 'lena').catch(codeOf)) === 'APPROVAL_NOT_WAITED'
    })
  })
})

test('of two gateways, the other one hears from the mesh that its run was approved', async () => {
  const other = await Gateway.make()
  const run = await gateway.opened()
  expect(await other.opened()).toBe(run)

  await gateway.approvals.approve(run, 'lena')
  await gateway.recorded(run)
  await other.approvals.recorded(run)

  expect(other.approvals.waiting()).toEqual([])
  expect(await other.rig.store.inbox.byRun(run)).toMatchObject({
    state: 'recorded',
    reason: 'announced by another gateway'
  })
})
