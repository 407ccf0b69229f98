import { beforeEach, describe, expect, test } from 'vitest'
import { isRefused } from '../../../agent/claim/candidates.ts'
import type { HostPolicy } from '../../../protocol/core/host-policy.ts'
import { claimBench, killBench, runWith } from '../../support/claim-bench.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { OneRegister } from '../../support/one-register.ts'
import { until } from '../../support/until.ts'

const RUN = '7K3QF2ABCDEFGHJKMNPQRSTVWX'
const JOB = `${RUN}.0`
/** The default lease profile: how long after its last renewal a lease may be taken over. */
const TAKE_OVER_MS = 32_000

let mesh: OneRegister
let clock: FakeClock
beforeEach(() => {
  mesh = new OneRegister()
  clock = new FakeClock()
})

const TAKES_ALL: HostPolicy = {
  repositories: [],
  refs: [],
  events: [],
  authors: [],
  images: [],
  registries: [],
  pinned: false,
  trustedOnly: false
}

type Bench = ReturnType<typeof claimBench>
const bench = (peerId: string, jobs = 2): Bench => claimBench(mesh, clock, { peerId, jobs })
const held = (one: Bench): number => one.attempts.inputs.length
const phase = (): string | undefined => mesh.states.get(JOB)?.phase

/** An agent that holds the job and whose process has just been killed. */
async function killedHolder(peerId = 'basalt'): Promise<Bench> {
  const dead = bench(peerId)
  dead.claimer.consider()
  await clock.until(() => held(dead) === 1, 3 * TAKE_OVER_MS)
  await killBench(mesh, clock, dead)
  return dead
}

describe('an agent with room', () => {
  test('runs as many jobs as it has room for, and the next when one ends', async () => {
    mesh.addRun(runWith(RUN, 3))
    const onyx = bench('onyx')

    onyx.claimer.consider()
    await until(clock, () => held(onyx) === 2)
    await clock.advance(2_000)
    expect(held(onyx)).toBe(2)

    onyx.attempts.end(0)
    await until(clock, () => held(onyx) === 3)
    expect(mesh.states.size).toBe(3)
  })

  test("leaves jobs to others that its own owner does not take, whatever anybody's board says", async () => {
    mesh.addRun(runWith(RUN, 1))
    const policy = { ...TAKES_ALL, repositories: ['other/*'] }
    const choosy = claimBench(mesh, clock, { peerId: 'onyx', policy })
    choosy.claimer.consider()
    await clock.advance(2 * TAKE_OVER_MS)
    expect([held(choosy), mesh.states.size]).toEqual([0, 0])

    const plain = bench('basalt')
    plain.claimer.consider()
    await until(clock, () => held(plain) === 1)
  })

  test('leaves jobs alone whose images it finds to be there for other platforms only', async () => {
    mesh.addRun(runWith(RUN, 1))
    const onyx = bench('onyx')
    const image = mesh.member('onyx', 'boot', clock).board.job(JOB)?.spec.image ?? ''
    onyx.images.found = [{ image, platforms: ['linux/arm64'] }]
    onyx.claimer.consider()
    await clock.advance(2 * TAKE_OVER_MS)
    expect([held(onyx), mesh.states.size, onyx.images.lacking.length]).toEqual([0, 0, 1])

    // Pushed for this host's platform meanwhile: what it had found does not count any more.
    onyx.images.found = [{ image, platforms: ['linux/arm64', 'linux/amd64'] }]
    onyx.images.lacking = []
    onyx.claimer.consider()
    await until(clock, () => held(onyx) === 1)
  })

  test('asks its owner again right before a claim, whatever made it a candidate', async () => {
    mesh.addRun(runWith(RUN, 1))
    const onyx = bench('onyx')
    onyx.claimer.consider()
    onyx.order.policy = { ...TAKES_ALL, authors: ['nobody'] }
    await clock.advance(2 * TAKE_OVER_MS)
    expect([held(onyx), mesh.states.size]).toEqual([0, 0])
  })

  test('claims nothing while its owner has closed it, what runs goes on, and all goes on once it opens', async () => {
    mesh.addRun(runWith(RUN, 2))
    const onyx = bench('onyx', 1)
    onyx.claimer.consider()
    await until(clock, () => held(onyx) === 1)

    onyx.order.isOpen = false
    onyx.claimer.consider()
    await clock.advance(2 * TAKE_OVER_MS)
    expect(onyx.claimer.heldJobs).toEqual([onyx.attempts.inputs[0]?.jobId])
    onyx.attempts.end(0)
    await clock.advance(2 * TAKE_OVER_MS)
    expect([held(onyx), onyx.claimer.heldJobs]).toEqual([1, []])
    const [first] = onyx.attempts.inputs
    expect(mesh.states.get(first?.jobId ?? '')?.phase).toBe('succeeded')

    onyx.order.isOpen = true
    onyx.claimer.consider()
    await until(clock, () => held(onyx) === 2)
  })

  test('leaves untrusted jobs to others where its owner wants more for them than it has', async () => {
    mesh.addRun(runWith(RUN, 1, 'untrusted'))
    const demanding = claimBench(mesh, clock, { peerId: 'onyx', requireIsolation: 'userns' })
    demanding.claimer.consider()
    await clock.advance(2 * TAKE_OVER_MS)
    expect(held(demanding)).toBe(0)

    const plain = bench('basalt')
    plain.claimer.consider()
    await until(clock, () => held(plain) === 1)
    expect(plain.attempts.inputs[0]?.manifest.trust).toBe('untrusted')

    mesh.addRun(runWith(RUN.replace('7K', '8K'), 1))
    demanding.claimer.consider()
    await until(clock, () => held(demanding) === 1)
  })

  test('starts nothing without a lease: an unreachable mesh starts no attempt', async () => {
    mesh.addRun(runWith(RUN, 1))
    mesh.reachable = false
    const onyx = bench('onyx')

    onyx.claimer.consider()
    await clock.advance(20_000)
    expect(held(onyx)).toBe(0)

    mesh.reachable = true
    await until(clock, () => held(onyx) === 1)
  })

  test('finds a claim whose answer was lost to be its own, and runs it once', async () => {
    mesh.addRun(runWith(RUN, 1))
    mesh.ambiguous = 2
    const onyx = bench('onyx')

    onyx.claimer.consider()
    await until(clock, () => held(onyx) === 1)
    await clock.advance(5_000)

    expect(held(onyx)).toBe(1)
    expect(mesh.states.get(JOB)?.epoch).toBe(1)
    expect(new Set(mesh.askedFor('claim').map(({ opId }) => opId)).size).toBe(1)
  })

  test('reads before it claims: a lease that it has not heard of is left alone', async () => {
    mesh.addRun(runWith(RUN, 1))
    const onyx = bench('onyx')
    mesh.gossip = false
    const basalt = bench('basalt')
    basalt.claimer.consider()
    await until(clock, () => held(basalt) === 1)

    onyx.claimer.consider()
    await clock.advance(5_000)

    expect(mesh.askedFor('claim').map(({ peer }) => peer)).toEqual(['basalt'])
  })

  test('asks again right before it claims whether it may', async () => {
    mesh.addRun(runWith(RUN, 1))
    const onyx = bench('onyx')

    onyx.claimer.consider()
    onyx.order.mayClaim = false
    await clock.advance(5_000)

    expect(mesh.asked).toEqual([])
  })
})

describe('the lease of a holder that died', () => {
  test('is taken over once it has ended, and not before', async () => {
    mesh.addRun(runWith(RUN, 1))
    await killedHolder()
    const diedAtMs = clock.bootMs()
    const onyx = bench('onyx')
    mesh.tellBoards(clock)

    onyx.claimer.consider()
    await clock.advance(TAKE_OVER_MS - 1_000)
    expect(mesh.askedFor('claim')).toHaveLength(1)

    await clock.until(() => held(onyx) === 1, 2 * TAKE_OVER_MS)
    expect(onyx.attempts.inputs[0]).toMatchObject({ epoch: 2, attempt: 2, givenBack: 0 })
    expect(clock.bootMs() - diedAtMs).toBeLessThan(TAKE_OVER_MS + 1_000)
  })

  test('that was its last attempt ends the job as errored, with what to look at', async () => {
    mesh.attemptsMax = 1
    mesh.addRun(runWith(RUN, 1))
    await killedHolder()
    const onyx = bench('onyx')
    mesh.tellBoards(clock)

    onyx.claimer.consider()
    await clock.until(() => phase() === 'errored', 3 * TAKE_OVER_MS)

    expect(held(onyx)).toBe(0)
    expect(mesh.states.get(JOB)?.outcome).toMatchObject({
      reason: 'agent_lost',
      message: expect.stringContaining('1 of 1 attempts')
    })
  })
})

describe('a job that took two hosts down', () => {
  test('is given to no third one, and ends with what to look at', async () => {
    mesh.addRun(runWith(RUN, 1))
    await killedHolder('basalt')
    mesh.tellBoards(clock)
    await killedHolder('flint')
    const onyx = bench('onyx')
    mesh.tellBoards(clock)

    onyx.claimer.consider()
    await clock.until(() => phase() === 'errored', 4 * TAKE_OVER_MS)

    expect(held(onyx)).toBe(0)
    expect(mesh.states.get(JOB)?.outcome).toMatchObject({
      reason: 'quarantined',
      message: expect.stringContaining('on different hosts')
    })
  })
})

describe('an order to drain', () => {
  test('stops claims but not what runs', async () => {
    mesh.addRun(runWith(RUN, 2))
    const onyx = bench('onyx', 1)
    onyx.claimer.consider()
    await until(clock, () => held(onyx) === 1)

    onyx.order.mayClaim = false
    const drained = onyx.claimer.drain()
    onyx.attempts.end(0)
    await clock.settle(drained, 1_000)

    expect(held(onyx)).toBe(1)
    expect([...mesh.states.values()].map((state) => state.phase)).toEqual(['succeeded'])
  })

  test('does not wait for the leases of others', async () => {
    mesh.addRun(runWith(RUN, 1))
    const basalt = bench('basalt')
    basalt.claimer.consider()
    await until(clock, () => held(basalt) === 1)
    const onyx = bench('onyx')
    mesh.tellBoards(clock)
    onyx.claimer.consider()
    // Its look at the lease is due, and finds that it lives.
    await clock.advance(TAKE_OVER_MS + 1_000)

    onyx.order.mayClaim = false
    const orderedAtMs = clock.bootMs()
    await clock.settle(onyx.claimer.drain(), TAKE_OVER_MS)

    expect(clock.bootMs()).toBe(orderedAtMs)
  })
})

describe('stopping', () => {
  test('gives leases back, so that another agent can run the job', async () => {
    mesh.addRun(runWith(RUN, 1))
    const onyx = bench('onyx')
    onyx.claimer.consider()
    await until(clock, () => held(onyx) === 1)
    onyx.order.mayClaim = false
    await clock.settle(onyx.claimer.stop(), 1_000)
    expect(mesh.states.get(JOB)).toMatchObject({ phase: 'queued', attempts: 0, epoch: 1 })

    const basalt = bench('basalt')
    basalt.claimer.consider()
    await until(clock, () => held(basalt) === 1)
    expect(basalt.attempts.inputs[0]).toMatchObject({ epoch: 2, attempt: 1, givenBack: 1 })
  })
})

test('right before a claim the owner is asked about what the gateway has signed, not the board', () => {
  const { manifest } = runWith(RUN, 1).announcement
  mesh.addRun(runWith(RUN, 1))
  const job = mesh.member('onyx', '0123456789abcdef', clock).board.job(JOB)
  if (job === undefined) throw new Error('the job is on the board')
  // A board that was led to show another repository, image and trust.
  const told = {
    ...job,
    spec: { ...job.spec, image: 'docker.io/library/good' },
    origin: { ...job.origin, repository: 'good' }
  }
  const { offer } = bench('onyx')
  const takes = (policy: Partial<HostPolicy>, signed = manifest): boolean =>
    !isRefused(told, signed, { ...offer, policy: { ...TAKES_ALL, ...policy } })

  expect(takes({ repositories: ['good'] })).toBe(false)
  expect(takes({ repositories: ['team'] })).toBe(true)
  expect(takes({ images: ['docker.io/library/good'] })).toBe(false)
  expect(takes({ images: ['docker.io/library/x'] })).toBe(true)
  expect(takes({ trustedOnly: true })).toBe(true)
  expect(takes({ trustedOnly: true }, { ...manifest, trust: 'untrusted' })).toBe(false)
})

test('of two that claim one job one wins, and both are counted', async () => {
  mesh.addRun(runWith(RUN, 1))
  const [onyx, basalt] = [bench('onyx'), bench('basalt')]
  mesh.answerMs = 200
  onyx.claimer.consider()
  basalt.claimer.consider()
  await clock.advance(20_000)

  const claims = [onyx, basalt].flatMap(({ events }) =>
    events.flatMap((event) => (event.kind === 'claimed' ? event.result : []))
  )
  expect(claims.filter((result) => result === 'won')).toHaveLength(1)
  expect(claims.filter((result) => result === 'unresolved')).toEqual([])
})
