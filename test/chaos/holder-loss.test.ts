import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Judge, type Sighting } from '../../deploy/demo/judge.ts'
import { eventually } from '../../deploy/demo/process.ts'
import { median } from '../bench/figures.ts'
import { E2eMesh, pipelineOf } from '../support/e2e-mesh.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import {
  CHAOS_LEASE,
  CHAOS_ROUNDS,
  CHAOS_SEED,
  JOB_LINES,
  ROUND_MS_MAX,
  TAKE_OVER_MS_MAX
} from './settings.ts'

const SCRIPT = `i=0; while [ $i -lt ${JOB_LINES} ]; do i=$((i + 1)); echo "line $i"; sleep 0.5; done`
/** From before the job's claim to after its end any moment may be its holder's last. */
const POINT_MS_MAX = JOB_LINES * 500 + 1_000
const SIGNALS = ['SIGKILL', 'SIGSTOP'] as const

interface SeenEnd {
  readonly state: string
  readonly epoch: number
  readonly holder: string | null
  readonly reason: string | null
}

describe.each(SIGNALS)('%s of the holder', (signal) => {
  const random = new SeededRandom(CHAOS_SEED)
  const takeOvers: number[] = []
  let e2e: E2eMesh
  let judge: Judge

  beforeAll(async () => {
    e2e = await E2eMesh.start({ lease: CHAOS_LEASE })
    judge = await Judge.start(e2e.peerIds)
  }, 90_000)
  afterAll(async () => {
    judge?.stop()
    await e2e?.stop()
    const figures = {
      chaos: signal,
      lease: CHAOS_LEASE,
      seed: CHAOS_SEED,
      rounds: CHAOS_ROUNDS,
      taken_over: takeOvers.length,
      median_ms: Math.round(median(takeOvers)),
      max_ms: Math.max(...takeOvers)
    }
    process.stdout.write(`${JSON.stringify(figures)}\n`)
  })

  let lost = -1
  beforeEach(() => {
    lost = -1
  })
  afterEach(async () => {
    if (lost < 0) return
    await bringBack(lost)
  })

  async function bringBack(index: number): Promise<void> {
    const name = e2e.mesh.agents[index]?.name ?? ''
    if (signal === 'SIGSTOP') await e2e.mesh.daemon(name).kill('SIGCONT')
    else e2e.mesh.startAgent(index)
    await e2e.mesh.ready()
  }

  /** What the mesh says of an ended job, and its log. */
  async function recordOf(job: string) {
    const { state, epoch, holder, reason } = await e2e.mesh.api<SeenEnd>(`/api/v1/jobs/${job}`)
    const log = await e2e.log(job)
    return { state, epoch, holder, reason, log, starts: judge.startsOf(job).length }
  }

  /** The agent that holds the job now; before a claim any of them. */
  async function holderOf(job: string): Promise<number> {
    const { holder } = await e2e.mesh.api<{ holder: string | null }>(`/api/v1/jobs/${job}`)
    const index = e2e.mesh.agents.findIndex((agent) => agent.name === holder)
    return index >= 0 ? index : random.between(0, e2e.mesh.agents.length)
  }

  /** Milliseconds from the loss to the next start, where the lost agent had the job's container. */
  function takeOverMs(
    starts: readonly Sighting[],
    peer: string | undefined,
    lostAtMs: number
  ): number | undefined {
    const at = starts.findIndex((start) => start.peer === peer && start.atMs <= lostAtMs)
    const [first, next] = [starts[at], starts[at + 1]]
    if (first === undefined || next === undefined) return undefined
    return Math.round(next.atMs - lostAtMs)
  }

  const rounds = Array.from({ length: CHAOS_ROUNDS }, (_, index) => [index + 1] as const)
  test.each(rounds)(
    `round %i of ${CHAOS_ROUNDS}, seed ${CHAOS_SEED}: one container at a time, one end`,
    async (round) => {
      const pointMs = random.next() * POINT_MS_MAX
      const run = await e2e.push(pipelineOf(1, SCRIPT), `round ${round}`)
      const job = `${run.id}.0`
      // The random point: counted from when the run is known, so before a claim as well as after.
      await new Promise((done) => setTimeout(done, pointMs))
      lost = await holderOf(job)
      const lostAtMs = performance.timeOrigin + performance.now()
      await e2e.mesh.daemon(e2e.mesh.agents[lost]?.name ?? '').kill(signal)

      const [ended] = await e2e.ended(run.id, 1, ROUND_MS_MAX)
      await eventually('the last container is gone', () => {
        const starts = judge.startsOf(job).length
        const ends = judge.seen.filter((one) => one.job === job && one.action === 'die').length
        return ends >= starts ? true : undefined
      })

      const peer = e2e.peerIds[lost]
      const before = await recordOf(job)
      await bringBack(lost)
      lost = -1

      const starts = judge.startsOf(job)
      // What comes back with an outcome of its own, a line or a container changes nothing.
      expect(await recordOf(job)).toEqual(before)
      expect(before.log.split('\n').filter((line) => line.includes('line '))).toHaveLength(
        JOB_LINES
      )
      expect(judge.overlapsOf(job), `at ${pointMs.toFixed(0)} ms`).toEqual([])
      expect(ended).toMatchObject({ state: 'succeeded', epoch: starts.at(-1)?.epoch })
      const epochs = starts.map(({ epoch }) => epoch)
      expect(epochs).toEqual([...new Set(epochs)].toSorted((a, b) => a - b))
      const tookMs = takeOverMs(starts, peer, lostAtMs)
      if (tookMs !== undefined) takeOvers.push(tookMs)
      expect(tookMs ?? 0).toBeLessThanOrEqual(TAKE_OVER_MS_MAX)
    },
    ROUND_MS_MAX + 60_000
  )

  test('at least one of the rounds lost a running job', () => {
    expect(takeOvers.length).toBeGreaterThan(0)
  })
})
