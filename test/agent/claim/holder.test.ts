import { beforeEach, describe, expect, test } from 'vitest'
import { MeshError } from '../../../protocol/core/errors.ts'
import { LEASE_PROFILES } from '../../../protocol/core/lease-profile.ts'
import { TERM_GRACE_MS } from '../../../protocol/core/limits.ts'
import { endOpId } from '../../../protocol/core/op-id.ts'
import { claimBench, type RecordingDeadline, runWith } from '../../support/claim-bench.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { OneRegister } from '../../support/one-register.ts'
import { plainDigest } from '../../support/plain-digest.ts'
import { until } from '../../support/until.ts'

const RUN = '7K3QF2ABCDEFGHJKMNPQRSTVWX'
const JOB = `${RUN}.0`
/** 30 s of lease less 3 s in which a kill must succeed. */
const HOLD_MS = 27_000
const { graceMs, startMsMin } = LEASE_PROFILES.default

let mesh: OneRegister
let clock: FakeClock
let bench: ReturnType<typeof claimBench>
beforeEach(() => {
  mesh = new OneRegister()
  clock = new FakeClock()
  mesh.addRun(runWith(RUN, 1))
  bench = claimBench(mesh, clock, { peerId: 'onyx' })
})

const PROGRESS = {
  step: 0,
  stepStartedMs: 0,
  startedMs: 0,
  jobEndMs: 60_000,
  results: [],
  resources: { cpuMilli: 1_000, memoryBytes: 1 }
}

const held = (): number => bench.attempts.inputs.length
const phase = (): string | undefined => mesh.states.get(JOB)?.phase
const deadline = (): RecordingDeadline => {
  const [first] = bench.deadlines
  if (first === undefined) throw new Error('no lease folder was opened')
  return first
}
const deadlinesMs = (): number[] => deadline().written.map(({ deadlineMs }) => deadlineMs)
const records = async (): Promise<string[]> =>
  (await bench.records.all()).map((record) => record.phase)

/** Claims the only job, and no other one afterwards. */
async function start(): Promise<void> {
  bench.claimer.consider()
  await until(clock, () => held() === 1)
  bench.order.mayClaim = false
}

function abortedAt(signal: AbortSignal | undefined): () => number | undefined {
  let atMs: number | undefined
  signal?.addEventListener('abort', () => {
    atMs = clock.bootMs()
  })
  return () => atMs
}

describe('the deadline of an attempt', () => {
  test('counts from before the first try of its claim, however long that took', async () => {
    mesh.ambiguous = 3
    mesh.answerMs = 700
    await start()

    const [first, ...again] = mesh.askedFor('claim')
    expect(again.length).toBe(3)
    expect(deadlinesMs()).toEqual([(first?.atMs ?? 0) + HOLD_MS])
  })

  test('is written before anything starts', async () => {
    await start()

    expect(deadline().written).toHaveLength(1)
    expect(bench.attempts.inputs[0]?.deadlineMs()).toBe(deadlinesMs()[0])
  })

  test('is written anew with each renewal, counted from the start of its round', async () => {
    await start()
    mesh.answerMs = 300
    // Long enough after a round for its answer.
    await clock.advance(62_000)

    const rounds = mesh.renewals.map(({ atMs }) => atMs + HOLD_MS)
    expect(rounds.length).toBeGreaterThanOrEqual(11)
    expect(deadlinesMs().slice(1)).toEqual(rounds)
    expect(bench.attempts.inputs[0]?.deadlineMs()).toBe(rounds.at(-1))
    expect(bench.attempts.inputs[0]?.signal.aborted).toBe(false)
  })

  test('ends the attempt to the millisecond, with SIGTERM its grace before', async () => {
    await start()
    await clock.advance(12_000)
    const [input] = bench.attempts.inputs
    const endMs = input?.deadlineMs() ?? 0
    const terminated = abortedAt(input?.terminate)
    const killed = abortedAt(input?.signal)

    mesh.renewable = false
    await clock.advance(HOLD_MS)

    expect(terminated()).toBe(endMs - graceMs)
    expect(killed()).toBe(endMs)
    expect(input?.signal.reason).toBeInstanceOf(MeshError)
    expect(input?.signal.reason).toMatchObject({ code: 'LEASE_LOST' })
  })

  test('nearly spent starts nothing before a renewal has moved it', async () => {
    mesh.answerMs = HOLD_MS - startMsMin + 1_000
    mesh.renewable = false
    bench.claimer.consider()
    await clock.advance(mesh.answerMs + 2_000)
    expect(phase()).toBe('leased')
    expect(held()).toBe(0)

    mesh.answerMs = 0
    mesh.renewable = true
    await until(clock, () => held() === 1)
    expect(deadlinesMs().at(-1)).toBe((mesh.renewals.at(-1)?.atMs ?? 0) + HOLD_MS)
  })
})

describe('the record of an attempt', () => {
  test('is durable before the attempt starts, and its outcome before it is proposed', async () => {
    await start()
    expect(bench.records.written.map((record) => record.phase)).toEqual(['starting'])

    await bench.attempts.inputs[0]?.onStep(PROGRESS)
    bench.attempts.end(0)
    await until(clock, () => phase() === 'succeeded')

    const phases = bench.records.written.map((record) => record.phase)
    expect(phases).toEqual(['starting', 'running', 'exited'])
    await until(clock, () => bench.changes.includes(`job_ended ${JOB}`))
    expect(await records()).toEqual([])
  })

  test('stays where the process ends before the mesh has the outcome', async () => {
    await start()
    mesh.changeable = false
    bench.attempts.end(0)
    await clock.advance(1_000)

    bench.claimer.quit()
    await until(clock, () => bench.changes.includes(`job_ended ${JOB}`))

    expect(await records()).toEqual(['exited'])
  })
})

describe('the end of an attempt', () => {
  test('is proposed until the witnesses have it, always as the same operation', async () => {
    await start()
    mesh.changeable = false
    bench.attempts.end(0)
    await clock.advance(10_000)
    expect(await records()).toEqual(['exited'])

    mesh.changeable = true
    await until(clock, () => phase() === 'succeeded')
    const { claimId } = bench.attempts.inputs[0] ?? { claimId: '' }
    const ids = mesh.askedFor('complete').map(({ opId }) => opId)
    expect(ids.length).toBeGreaterThan(1)
    expect(new Set(ids)).toEqual(new Set([endOpId(claimId, 'complete', plainDigest())]))
  })

  test('ends the watch over its container: no deadline ends what is gone', async () => {
    await start()
    const [input] = bench.attempts.inputs
    mesh.changeable = false
    mesh.renewable = false
    bench.attempts.end(0)
    await clock.advance(2 * HOLD_MS)

    expect(input?.signal.aborted).toBe(false)
    expect(input?.terminate?.aborted).toBe(false)
  })

  test('is not put off by renewals once it is proposed', async () => {
    await start()
    mesh.changeable = false
    await clock.advance(12_000)
    bench.attempts.end(0)
    await clock.advance(100)
    const before = deadlinesMs().length
    const renewals = mesh.renewals.length
    await clock.advance(15_000)

    expect(mesh.renewals.length).toBeGreaterThan(renewals)
    expect(deadlinesMs()).toHaveLength(before)
  })

  test('by a cancel that rides on a renewal is the job’s end as cancelled', async () => {
    await start()
    mesh.cancel = { by: 'ops', reason: 'superseded' }
    await until(clock, () => phase() === 'cancelled')

    expect(mesh.states.get(JOB)?.outcome?.message).toContain('superseded')
  })

  test('by a cancel is on the disk before its steps are told', async () => {
    await start()
    await bench.attempts.inputs[0]?.onStep(PROGRESS)
    bench.attempts.lingers = true
    const [input] = bench.attempts.inputs
    let toldBefore: string | undefined
    input?.signal.addEventListener('abort', () => {
      toldBefore = bench.records.written.at(-1)?.told
    })
    mesh.cancel = { by: 'ops', reason: 'superseded', graceMs: 90_000 }
    await until(clock, () => input?.signal.aborted === true)

    expect(toldBefore).toBe('cancelled')
  })

  test('is put off by the grace of a cancel, for which the lease is renewed', async () => {
    await start()
    bench.attempts.lingers = true
    mesh.cancel = { by: 'ops', reason: 'superseded', graceMs: 90_000 }
    const [input] = bench.attempts.inputs
    expect(input?.graceMs?.()).toBeUndefined()
    await until(clock, () => input?.signal.aborted === true)
    const before = mesh.renewals.length
    await clock.advance(3 * HOLD_MS)

    expect(input?.signal.reason).toBe('cancelled')
    expect(input?.graceMs?.()).toBe(90_000)
    expect(mesh.renewals.length).toBeGreaterThan(before + 5)
    expect(input?.deadlineMs()).toBeGreaterThan(clock.bootMs())
    expect(input?.kill?.aborted).toBe(false)
    expect(phase()).toBe('leased')
  })

  test('is not put off beyond the lease, whatever grace a cancel gave', async () => {
    await start()
    bench.attempts.lingers = true
    mesh.cancel = { by: 'ops', reason: 'superseded', graceMs: 600_000 }
    const [input] = bench.attempts.inputs
    await until(clock, () => input?.signal.aborted === true)
    const killed = abortedAt(input?.kill)
    mesh.renewable = false
    await clock.advance(HOLD_MS)

    expect(killed()).toBe(input?.deadlineMs())
  })

  test('is put off no longer than usual once the agent stops', async () => {
    await start()
    bench.attempts.lingers = true
    mesh.cancel = { by: 'ops', reason: 'superseded', graceMs: 600_000 }
    const [input] = bench.attempts.inputs
    await until(clock, () => input?.signal.aborted === true)
    const killed = abortedAt(input?.kill)
    const stoppedMs = clock.bootMs()
    bench.claimer.quit()
    await clock.advance(TERM_GRACE_MS)

    expect(killed()).toBe(stoppedMs + TERM_GRACE_MS)
  })

  test('with an outcome is the job’s end, even if its container cannot be removed', async () => {
    await start()
    bench.attempts.trouble = new Error('the engine is away')
    bench.attempts.end(0, 'failed', new Error('container x is left'))
    await until(clock, () => phase() !== 'leased')

    expect(mesh.states.get(JOB)).toMatchObject({
      phase: 'failed',
      outcome: { reason: 'exit_code', exitCode: 1 }
    })
    await until(clock, () => bench.changes.includes(`job_ended ${JOB}`))
    // What is left is nobody's now: the reaper's.
    expect(await records()).toEqual([])
    expect(bench.attempts.cleared).toEqual([])
  })

  test('without an outcome gives nothing back before its container is confirmed gone', async () => {
    await start()
    bench.attempts.trouble = new Error('the engine is away')
    bench.attempts.interrupt(0, { left: new Error('container x is left'), userCodeRan: true })
    await clock.advance(5_000)
    expect(bench.attempts.cleared.length).toBeGreaterThan(1)
    expect(mesh.askedFor('release')).toEqual([])

    bench.attempts.trouble = undefined
    await until(clock, () => phase() === 'queued')
    const { claimId } = bench.attempts.inputs[0] ?? { claimId: '' }
    expect(new Set(bench.attempts.cleared)).toEqual(new Set([claimId]))
    expect(mesh.askedFor('release')[0]).toMatchObject({
      opId: endOpId(claimId, 'release', plainDigest()),
      body: { reason: 'sandbox_failed', userCodeRan: true }
    })
  })

  test('with a clean box asks nobody whether it is gone', async () => {
    await start()
    bench.attempts.interrupt(0)
    await until(clock, () => phase() === 'queued')

    expect(bench.attempts.cleared).toEqual([])
  })
})

describe('a witness that saw the lease expired', () => {
  test('has it reaffirmed by its holder, under its claim and boot', async () => {
    await start()
    mesh.fenced = 1
    await until(clock, () => mesh.askedFor('reaffirm').length > 0)
    mesh.fenced = 0
    const { claimId, boot } = mesh.states.get(JOB)?.lease ?? {}
    await clock.advance(2 * LEASE_PROFILES.default.renewEveryMs)

    expect(mesh.askedFor('reaffirm')).toHaveLength(1)
    expect(mesh.askedFor('reaffirm')[0]?.body).toMatchObject({ epoch: 1, claimId, boot })
    expect(mesh.states.get(JOB)).toMatchObject({ phase: 'leased', epoch: 1, version: 3 })
  })
})

describe('a lease folder', () => {
  test('that cannot be removed does not keep the job from ending', async () => {
    await start()
    bench.folders.removeTrouble = new Error('EBUSY')
    bench.attempts.end(0)
    await until(clock, () => bench.changes.includes(`job_ended ${JOB}`))

    expect(deadline().removals).toBe(1)
    expect(phase()).toBe('succeeded')
  })

  test('that cannot be made gives the job back, and this host rests', async () => {
    bench.folders.openTrouble = new Error('ENOSPC: no space left on device')
    bench.claimer.consider()
    await until(clock, () => mesh.askedFor('release').length > 0)

    expect(mesh.askedFor('release')[0]?.body).toMatchObject({ reason: 'sandbox_failed' })
    expect(mesh.states.get(JOB)).toMatchObject({ phase: 'queued', attempts: 0 })
    expect(bench.claimer.problems()[0]?.message).toContain('no space left')
  })
})

test('whoever counts hears of the claim, of each renewal and of the end', async () => {
  await start()
  await clock.advance(12_000)
  bench.attempts.end(0, 'failed')
  await until(clock, () => phase() === 'failed')

  expect(bench.events[0]).toEqual({ kind: 'claimed', result: 'won' })
  const renewals = bench.events.flatMap((event) => (event.kind === 'renewed' ? event.result : []))
  expect(new Set(renewals)).toEqual(new Set(['renewed']))
  expect(bench.events.at(-1)).toEqual({ kind: 'ended', state: 'failed', reason: 'exit_code' })
})

test('whoever counts hears of renewals that come short, of stopped steps and of the loss', async () => {
  await start()
  mesh.reachable = false
  await clock.advance(HOLD_MS + 5_000)

  const kinds = bench.events.map((event) => ('result' in event ? event.result : event.kind))
  expect(kinds.filter((kind) => kind === 'short' || kind === 'failed').length).toBeGreaterThan(0)
  expect(kinds).toContain('overdue')
  expect(bench.events.find(({ kind }) => kind === 'lost')).toMatchObject({ kind: 'lost' })
})
