import { beforeEach, describe, expect, test } from 'vitest'
import { Rests } from '../../../agent/claim/rests.ts'
import {
  HOST_REST_MS_MAX,
  HOST_REST_MS_MIN,
  JOB_REST_MS_MIN,
  JOBS_RESTING_MAX
} from '../../../protocol/core/limits.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { claimBench, runWith } from '../../support/claim-bench.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { OneRegister } from '../../support/one-register.ts'
import { until } from '../../support/until.ts'

const RUN = '7K3QF2ABCDEFGHJKMNPQRSTVWX'

let mesh: OneRegister
let clock: FakeClock
let bench: ReturnType<typeof claimBench>
beforeEach(() => {
  mesh = new OneRegister()
  clock = new FakeClock()
  bench = claimBench(mesh, clock, { peerId: 'onyx', jobs: 1 })
})

const claims = (): number => mesh.askedFor('claim').length

/** Ends every attempt at once as a host ends it that can run nothing. */
function failAtOnce(fault: 'host' | 'job'): void {
  const { attempts } = bench
  const { run } = attempts
  attempts.run = (input) => {
    const running = run.call(attempts, input)
    attempts.interrupt(attempts.inputs.length - 1, { fault })
    return running
  }
}

describe('a host whose attempts fail by its own fault', () => {
  test('does not turn the queue: each time it claims later than the time before', async () => {
    mesh.addRun(runWith(RUN, 20))
    failAtOnce('host')
    bench.claimer.consider()
    await clock.advance(4_000)
    expect(claims()).toBeLessThanOrEqual(3)

    await clock.advance(10 * HOST_REST_MS_MAX)
    const before = claims()
    await clock.advance(5 * HOST_REST_MS_MAX)
    expect(claims() - before).toBeLessThanOrEqual(5)
    expect(mesh.askedFor('complete')).toEqual([])
  })

  test('claims nothing while its engine does not answer, and asks that first', async () => {
    mesh.addRun(runWith(RUN, 5))
    failAtOnce('host')
    bench.attempts.trouble = new Error('no engine answers')
    bench.claimer.consider()
    await clock.advance(5 * HOST_REST_MS_MAX)

    expect(claims()).toBe(1)
    expect(bench.attempts.checks).toBeGreaterThan(5)
    expect(bench.attempts.checks).toBeLessThan(15)
    expect(bench.claimer.problems()).toEqual([
      {
        code: 'HOST_FAULT',
        message: expect.stringContaining('no engine answers'),
        fix: expect.stringContaining('claims rest')
      }
    ])
  })

  test('goes on once its engine answers, and the problem goes with the first that runs', async () => {
    mesh.addRun(runWith(RUN, 2))
    bench.claimer.consider()
    await until(clock, () => bench.attempts.inputs.length === 1)
    bench.attempts.trouble = new Error('no engine answers')
    bench.attempts.interrupt(0, { fault: 'host' })
    await clock.advance(HOST_REST_MS_MAX)
    expect(claims()).toBe(1)

    bench.attempts.trouble = undefined
    await until(clock, () => bench.attempts.inputs.length === 2)
    expect(bench.claimer.problems()[0]?.fix).toContain('the next claim will show')
    bench.attempts.end(1)
    await until(clock, () => bench.attempts.inputs.length === 3)
    expect(bench.claimer.problems()).toEqual([])
  })

  test('says in each release what it failed of', async () => {
    mesh.addRun(runWith(RUN, 1))
    bench.claimer.consider()
    await until(clock, () => bench.attempts.inputs.length === 1)
    bench.attempts.interrupt(0, { fault: 'job', reason: 'image_unavailable' })
    await until(clock, () => mesh.askedFor('release').length === 1)

    expect(mesh.askedFor('release')[0]?.body).toMatchObject({
      reason: 'image_unavailable',
      userCodeRan: false
    })
  })
})

describe('a job that cannot be run here', () => {
  test('rests alone: other jobs are claimed as before', async () => {
    mesh.addRun(runWith(RUN, 2))
    bench.claimer.consider()
    await until(clock, () => bench.attempts.inputs.length === 1)
    bench.attempts.interrupt(0, { fault: 'job' })
    await until(clock, () => bench.attempts.inputs.length === 2)

    const [first, second] = bench.attempts.inputs.map(({ jobId }) => jobId)
    expect(second).not.toBe(first)
    expect(bench.claimer.problems()).toEqual([])
    bench.attempts.end(1)
    await clock.advance(JOB_REST_MS_MIN - 1_000)
    expect(bench.attempts.inputs).toHaveLength(2)

    await until(clock, () => bench.attempts.inputs.length === 3)
    expect(bench.attempts.inputs[2]?.jobId).toBe(first)
  })

  test('rests longer each time', async () => {
    mesh.addRun(runWith(RUN, 1))
    failAtOnce('job')
    bench.claimer.consider()
    await clock.advance(600_000)

    const atMs = mesh.askedFor('claim').map((claim) => claim.atMs)
    const pauses = atMs.slice(1).map((ms, index) => Math.round((ms - (atMs[index] ?? 0)) / 5_000))
    expect(pauses.slice(0, 6)).toEqual([1, 2, 4, 8, 16, 32])
  })
})

describe('the rests', () => {
  const parts = () => {
    let over = 0
    const check = async (): Promise<void> => undefined
    const rests = new Rests({ clock, log: silentLog(), check, onOver: () => over++ })
    return { rests, over: () => over }
  }
  const failed = (fault: 'host' | 'job') => ({ kind: 'failed', fault, message: 'x' }) as const

  test('of a host count attempts that fail side by side as one', async () => {
    const { rests, over } = parts()
    for (const job of ['a', 'b', 'c']) rests.learn(job, failed('host'))
    await clock.advance(HOST_REST_MS_MIN)
    expect(rests.isHostResting).toBe(false)

    await clock.advance(JOB_REST_MS_MIN - HOST_REST_MS_MIN - 1)
    expect(over()).toBe(1)
  })

  test('of a host are not cut short by an attempt that had begun before', async () => {
    const { rests } = parts()
    rests.learn('a', failed('host'))
    rests.learn('b', { kind: 'ran' })

    expect(rests.isHostResting).toBe(true)
    expect(rests.problems()).toHaveLength(1)
  })

  test('are left alone by an end that shows nothing', () => {
    const { rests } = parts()
    rests.learn('a', failed('job'))
    rests.learn('a', { kind: 'nothing' })

    expect(rests.isResting('a')).toBe(true)
  })

  test('of jobs are kept for so many and no more, the oldest goes first', () => {
    const { rests } = parts()
    for (let job = 0; job <= JOBS_RESTING_MAX; job++) rests.learn(`${job}`, failed('job'))

    expect(rests.isResting('0')).toBe(false)
    expect(rests.isResting('1')).toBe(true)
    expect(rests.isResting(`${JOBS_RESTING_MAX}`)).toBe(true)
    expect(clock.armed()).toBe(JOBS_RESTING_MAX)
  })

  test('end with the agent: nothing is armed and nobody is told any more', async () => {
    const { rests, over } = parts()
    rests.learn('a', failed('host'))
    rests.stop()
    await clock.advance(2 * HOST_REST_MS_MAX)

    expect(clock.armed()).toBe(0)
    expect(over()).toBe(0)
  })
})
