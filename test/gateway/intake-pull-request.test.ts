import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Intake } from '../../gateway/intake.ts'
import type { PullRequestFacts } from '../../gateway/ports.ts'
import { Repositories } from '../../gateway/repositories.ts'
import type { PullRequestEvent } from '../../gateway/source-event.ts'
import { INTAKE_FETCH_MS_MAX } from '../../protocol/core/limits.ts'
import type { Manifest } from '../../protocol/core/run.ts'
import type { Delivery } from '../../protocol/store/inbox-store.ts'
import { eventually } from '../support/eventually.ts'
import { FakeClock } from '../support/fake-clock.ts'
import {
  commitOf,
  factsOf,
  repositoryOf,
  ScriptedCommits,
  ScriptedFacts
} from '../support/gateway-rig.ts'
import { eventDelivery, IntakeRig, PATIENT } from '../support/intake-rig.ts'

/* What becomes of a pull request between its delivery and its run. */

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const URL = 'https://git.example/team/kernel.git'
const HEAD = 'c'.repeat(40)
const NEXT = 'd'.repeat(40)
const OWN = { isFork: false, headBranch: 'fix', isKnownAuthor: true }

const PIPELINE = [
  'on: { pull_request: {} }',
  'jobs: { build: { image: "debian:13", steps: [{ run: make }] } }'
].join('\n')
const LABELLED = PIPELINE.replace('{}', '{ labels: [ci] }')

let rig: IntakeRig
let clock: FakeClock
let commits: ScriptedCommits
let facts: ScriptedFacts
let intake: Intake

beforeEach(async () => {
  rig = await IntakeRig.make()
  clock = new FakeClock()
  commits = new ScriptedCommits(commitOf(PIPELINE))
  facts = new ScriptedFacts(factsOf(OWN))
})

afterEach(() => rig.stop())

async function start(repository: Partial<Parameters<typeof repositoryOf>[2]> = {}) {
  const declared = repositoryOf('gitea', 'team/kernel', { url: URL, ...repository })
  const repositories = new Repositories([declared])
  intake = rig.intake({ clock, commits, facts, repositories, random: PATIENT })
  await intake.start()
}

function requestOf(head = HEAD, id = 'first', receivedAtMs = 1): Delivery {
  const event: PullRequestEvent = {
    kind: 'pull_request',
    repository: 'team/kernel',
    repositoryId: '42',
    number: 7,
    ref: 'refs/pull/7/head',
    head
  }
  return eventDelivery(event, { url: URL, deliveryId: id, receivedAtMs })
}

async function manifestOf(change: Partial<PullRequestFacts> = {}): Promise<Manifest> {
  facts.answer = factsOf({ ...OWN, ...change })
  const delivery = await rig.put(requestOf())
  await start({ trusted: ['fix'], approval: 'never' })
  await rig.settled(delivery)
  const run = await eventually('it is recorded', () => rig.registers.chosen.get(delivery.runId))
  return run.announcement.manifest
}

describe('a pull request runs', () => {
  test('as its forge describes it, and not its delivery', async () => {
    const manifest = await manifestOf({ author: 'lena', title: 'Fix\u001b[31m it' })

    expect(manifest).toMatchObject({
      repository: 'team/kernel',
      url: URL,
      base: 'main',
      pusher: 'lena',
      title: 'Fix [31m it',
      trust: 'trusted',
      origin: { event: 'pull_request', number: '7', commit: HEAD, ref: 'refs/pull/7/head' }
    })
    expect(manifest.fork).not.toBe(true)
    expect(commits.branches).toEqual([])
  })

  test('of a branch that is not trusted, not trusted either', async () => {
    expect((await manifestOf({ headBranch: 'other' })).trust).toBe('untrusted')
  })

  test('of a fork by the file of its base branch, and never trusted', async () => {
    const manifest = await manifestOf({ isFork: true, headBranch: 'fix', baseBranch: 'dev' })

    expect(manifest).toMatchObject({ trust: 'untrusted', fork: true, base: 'dev' })
    expect(manifest.origin.commit).toBe(HEAD)
    expect(commits.branches).toEqual(['dev'])
  })

  test('of an author whose name cannot be shown without that name', async () => {
    expect((await manifestOf({ author: 'a\u202eb' })).pusher).toBe('')
  })
})

describe('a pull request ends without a run', () => {
  async function ended(change: Partial<PullRequestFacts>, branches: readonly string[] = ['**']) {
    facts.answer = factsOf({ ...OWN, ...change })
    const delivery = await rig.put(requestOf())
    await start({ branches })
    return await rig.settled(delivery)
  }

  test('once it is closed', async () => {
    expect(await ended({ isOpen: false })).toMatchObject({
      state: 'ignored',
      reason: 'pull request 7 is closed',
      reopenable: true
    })
  })

  test('where its base is not selected in gateway.yaml', async () => {
    expect((await ended({ baseBranch: 'dev' }, ['main'])).reason).toContain('branch dev is not')
  })

  test('where the pipeline file does not select it, until it does', async () => {
    commits.answers = [commitOf(LABELLED)]
    const delivery = await ended({})
    expect(delivery).toMatchObject({ state: 'ignored', reopenable: true })

    facts.answer = factsOf({ ...OWN, labels: ['ci'] })
    const change = { state: 'received', reopenable: false } as const
    await rig.store.inbox.update(delivery.key, change)
    intake.take({ ...delivery, ...change })

    await eventually('it is recorded', () => rig.registers.chosen.get(delivery.runId))
  })

  test('at once where a later delivery has told of another head', async () => {
    facts.answer = factsOf({ ...OWN, headCommit: NEXT })
    const old = await rig.put(requestOf())
    const next = await rig.put(requestOf(NEXT, 'second', 2))
    await start()

    expect(await rig.settled(old)).toMatchObject({ state: 'ignored', reopenable: true })
    expect((await rig.settled(old)).reason).toContain(`superseded: pull request 7 is at ${NEXT}`)
    await eventually('the next one runs', () => rig.registers.chosen.get(next.runId))
    expect(rig.registers.chosen.has(old.runId)).toBe(false)
  })

  test('where its run is that of an earlier delivery', async () => {
    const first = await rig.put(requestOf())
    const second = await rig.put(requestOf(HEAD, 'second', 2))
    await start()

    await rig.settled(first)
    expect(rig.registers.chosen.has(first.runId)).toBe(true)
    expect((await rig.settled(second)).reason).toBe('its run is that of delivery first')
    expect(rig.registers.proposed).toHaveLength(1)
    expect((await rig.store.inbox.byRun(first.runId))?.deliveryId).toBe('first')
  })
})

describe('a forge that does not say what is needed', () => {
  async function lasting(delivery: Delivery): Promise<Delivery> {
    await eventually('it is asked again', () => clock.armed() > 0)
    expect((await rig.stateOf(delivery))?.state).toBe('received')
    return await settledLater(delivery)
  }

  /** All waits of the intake are over at once. */
  async function settledLater(delivery: Delivery): Promise<Delivery> {
    return await eventually('it is settled', async () => {
      if (clock.armed() > 0) await clock.advance(INTAKE_FETCH_MS_MAX / 4)
      const found = await rig.stateOf(delivery)
      return found !== undefined && found.state !== 'received' && found
    })
  }

  test('is asked again and again, and nothing is assumed meanwhile or at the end', async () => {
    facts.answer = new Error('it does not answer')
    const delivery = await rig.put(requestOf())
    await start()

    expect(await lasting(delivery)).toMatchObject({
      state: 'errored',
      reason: 'it does not answer',
      reopenable: true
    })
    expect(facts.asked).toBeGreaterThan(2)
    expect([commits.reads, rig.registers.proposed]).toEqual([0, []])
  })

  test('is asked again where it still has the head of before', async () => {
    facts.answer = factsOf({ ...OWN, headCommit: NEXT })
    const delivery = await rig.put(requestOf())
    await start()
    await eventually('it is asked again', () => clock.armed() > 0)

    facts.answer = factsOf(OWN)
    await settledLater(delivery)
    expect(rig.registers.chosen.has(delivery.runId)).toBe(true)
  })

  test('is believed in the end', async () => {
    facts.answer = factsOf({ ...OWN, headCommit: NEXT })
    const delivery = await rig.put(requestOf())
    await start()

    expect((await lasting(delivery)).reason).toContain('superseded')
  })
})
