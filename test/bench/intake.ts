import { type FloodAnswer, flood, floodOf } from '../support/flood.ts'
import { Child, compileChildren } from './child.ts'
import { quantile, rounded } from './figures.ts'
import { IntakeSide } from './intake-side.ts'

const CONNECTIONS = 64
/** Each push is in so many of them: as sent, once more with its id, and under other ids. */
const TIMES = 10
/** Deliveries before the first that counts: the JIT compiles what a daemon runs for weeks. */
const WARM_UP = 400
/** Part of what was recorded a second in the flood that is sent a second in the paced one. */
const SUSTAINED = 0.4
const IDLE_MS_MAX = 600_000
const LOOK_EVERY_MS = 200
const MIB = 1_048_576

interface Answered {
  /** Deliveries a second, answered with 202. */
  readonly per_s: number
  readonly p50_ms: number
  readonly p99_ms: number
}

export interface IntakeReport {
  readonly bench: 'intake'
  readonly deliveries: number
  readonly connections: number
  /** Different pushes among them. */
  readonly pushes: number
  /** As fast as answers come. */
  readonly flood: Answered & {
    /** Answered 503 before they were taken: the sender sends those again. */
    readonly refused: number
    /** Runs recorded a second, fetch of the commit included, until the last one. */
    readonly recorded_per_s: number
  }
  /** As many again, at a rate at which runs are recorded as fast as they come. */
  readonly paced: Answered & { readonly sent_per_s: number; readonly refused: number }
  /** The same two on a bare route that verifies the same signature and does nothing else. */
  readonly bare_flood: Answered
  readonly bare_paced: Answered
  /** Ours to the bare route's: deliveries a second in the flood, and p99 at the same rate. */
  readonly ratio_per_s: number
  readonly ratio_p99: number
  /** Of both floods: pushes without a run, and with more than one. */
  readonly lost: number
  readonly doubled: number
  /** Duplicates that were told another run than the first delivery's. */
  readonly misled: number
  /** Memory of the gateway's process: before, and at most. */
  readonly resident_mib_before: number
  readonly resident_mib_max: number
}

interface Sent {
  readonly answers: readonly FloodAnswer[]
  readonly seconds: number
  /** From the first delivery until the last run was recorded. */
  readonly recordedSeconds: number
}

/** 5 000 deliveries from 64 connections, twice, against one gateway with three witnesses. */
export async function intake(count: number): Promise<IntakeReport> {
  compileChildren()
  const side = await IntakeSide.start()
  const bare = new Child('bare-route')
  try {
    const bareUrl = await bare.call<string>('start', side.secret)
    const all: FloodAnswer[] = []
    const ours = async (size: number, perSecond?: number): Promise<Sent> => {
      const sent = await sendTo(side, size, perSecond)
      all.push(...sent.answers)
      return sent
    }
    const plain = async (size: number, perSecond?: number): Promise<Answered> => {
      const deliveries = floodOf(pushesOf(all, size), TIMES)
      const startMs = performance.now()
      const { secret } = side
      const options = { url: bareUrl, secret, connections: CONNECTIONS, perSecond }
      return answered(await flood(deliveries, options), (performance.now() - startMs) / 1_000)
    }
    const warmUp = Math.min(WARM_UP, count)
    await ours(warmUp)
    await plain(warmUp)
    const memory = watchMemory(side)
    const before = await side.residentBytes()
    const first = await ours(count)
    const recordedPerS = count / TIMES / first.recordedSeconds
    const perSecond = Math.floor(recordedPerS * TIMES * SUSTAINED)
    const second = await ours(count, perSecond)
    const max = await memory.stop()
    const bareFlood = await plain(count)
    const barePaced = await plain(count, perSecond)
    const oursFlood = answered(first.answers, first.seconds)
    const oursPaced = answered(second.answers, second.seconds)
    return {
      bench: 'intake',
      deliveries: count,
      connections: CONNECTIONS,
      pushes: count / TIMES,
      flood: {
        ...oursFlood,
        refused: refusedOf(first.answers),
        recorded_per_s: rounded(recordedPerS)
      },
      paced: { ...oursPaced, sent_per_s: perSecond, refused: refusedOf(second.answers) },
      bare_flood: bareFlood,
      bare_paced: barePaced,
      ratio_per_s: Math.round((oursFlood.per_s / bareFlood.per_s) * 100) / 100,
      ratio_p99: rounded(oursPaced.p99_ms / barePaced.p99_ms),
      ...judged(all, await side.runs()),
      resident_mib_before: Math.round(before / MIB),
      resident_mib_max: Math.round(max / MIB)
    }
  } finally {
    await bare.end()
    await side.stop()
  }
}

async function sendTo(side: IntakeSide, count: number, perSecond?: number): Promise<Sent> {
  const deliveries = floodOf(await side.pushes(count / TIMES), TIMES)
  const { url, secret } = side
  const startMs = performance.now()
  const answers = await flood(deliveries, { url, secret, connections: CONNECTIONS, perSecond })
  const seconds = (performance.now() - startMs) / 1_000
  await side.idle(IDLE_MS_MAX)
  return { answers, seconds, recordedSeconds: (performance.now() - startMs) / 1_000 }
}

function pushesOf(answers: readonly FloodAnswer[], count: number) {
  return answers.slice(0, count / TIMES).map(({ delivery: { repository, commit } }) => {
    return { repository, commit }
  })
}

function answered(answers: readonly FloodAnswer[], seconds: number): Answered {
  const taken = answers.filter(({ status }) => status === 202)
  if (taken.length < answers.length) throw new Error('a delivery was neither taken nor refused')
  const ms = taken.map((answer) => answer.ms)
  return {
    per_s: Math.round(taken.length / seconds),
    p50_ms: rounded(quantile(ms, 0.5)),
    p99_ms: rounded(quantile(ms, 0.99))
  }
}

function refusedOf(answers: readonly FloodAnswer[]): number {
  return answers.reduce((sum, { refused }) => sum + refused, 0)
}

function judged(answers: readonly FloodAnswer[], runs: ReadonlyMap<string, number>) {
  const told = new Map<string, string>()
  for (const { delivery, run, verdict } of answers) {
    // One that was answered 503 may be on disk after all: sent again, it is a duplicate.
    if (verdict === 'accepted' || !told.has(delivery.commit)) told.set(delivery.commit, run)
  }
  const commits = [...new Set(answers.map(({ delivery }) => delivery.commit))]
  const countOf = (commit: string): number => runs.get(commit) ?? 0
  return {
    lost: commits.filter((commit) => countOf(commit) === 0).length,
    doubled: commits.filter((commit) => countOf(commit) > 1).length,
    misled: answers.filter(({ delivery, run }) => told.get(delivery.commit) !== run).length
  }
}

function watchMemory(side: IntakeSide): { readonly stop: () => Promise<number> } {
  let max = 0
  const look = async (): Promise<void> => {
    max = Math.max(max, await side.residentBytes())
  }
  const timer = setInterval(() => void look().catch(() => undefined), LOOK_EVERY_MS)
  return {
    stop: async () => {
      clearInterval(timer)
      await look()
      return max
    }
  }
}
