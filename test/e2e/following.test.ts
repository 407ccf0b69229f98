import { afterEach, expect, test } from 'vitest'
import { eventually } from '../../deploy/demo/process.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { E2eMesh, pipelineOf } from '../support/e2e-mesh.ts'
import { RunningCommand } from '../support/running-command.ts'

/** Dense, so that lines wait for company in a chunk as those of a real build do. */
const LINES = 200
/** A box shows the boot clock of its host: a line says when it was written, in centiseconds. */
const SCRIPT = `i=0
while [ $i -lt ${LINES} ]; do
  i=$((i + 1))
  read up rest < /proc/uptime
  echo "line $i $up"
  sleep 0.05
done`

/** What a loaded host may take; the median on a quiet one is below 200 ms. */
const LATENCY_MS_MAX = 1_000

const clock = systemClock()
let e2e: E2eMesh | undefined
let command: RunningCommand | undefined

afterEach(async () => {
  command?.signal('SIGKILL')
  await e2e?.stop()
})

const numberOf = (text: string): number => Number(/^line (\d+) /.exec(text)?.[1] ?? 0)

/** The value below which that share of them lies, milliseconds. */
function quantileMs(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return Math.round(sorted[Math.floor(sorted.length * share)] ?? Number.POSITIVE_INFINITY)
}

test('a log is followed live through the loss of its holder, each line of the last attempt once', async () => {
  e2e = await E2eMesh.start({ lease: 'short' })
  const mesh = e2e.mesh
  const run = await e2e.push(pipelineOf(1, SCRIPT))
  const job = `${run.id}.0`
  const holderNow = (): Promise<string> =>
    eventually('somebody holds it', async () => {
      const [seen] = (await e2e?.jobs(run.id)) ?? []
      return seen?.holder ?? undefined
    })
  const first = await holderNow()
  const other = mesh.agents.find(({ name }) => name !== first)
  const follower = new RunningCommand(clock, other?.state ?? '', 'logs', '-f', '--exit-status', job)
  command = follower
  await eventually('ten lines', () => (follower.lines.length >= 10 ? true : undefined), 60_000)
  // On a loaded machine a lease of 3 s may have gone to another agent by now.
  const holder = await holderNow()
  await mesh.daemon(holder).kill('SIGKILL')
  const before = follower.lines.length
  const code = await follower.exited

  expect(code, follower.stderr).toBe(0)
  const start = follower.lines.findLastIndex(({ text }, index) => {
    return index >= before - 1 && numberOf(text) === 1
  })
  const last = follower.lines.slice(start)
  expect(last.map(({ text }) => numberOf(text)).filter((number) => number > 0)).toEqual(
    Array.from({ length: LINES }, (_, index) => index + 1)
  )
  expect(follower.stderr).toMatch(
    new RegExp(`^attempt [23] of 3 on agent-\\d: ${holder} was lost at line \\d+$`, 'm')
  )
  expect(follower.stderr.trim().split('\n').at(-1)).toMatch(/^✓ succeeded/)

  const latencies = last.flatMap(({ text, atMs }) => {
    const writtenS = / ([\d.]+)$/.exec(text)?.[1]
    return numberOf(text) === 0 ? [] : [atMs - Number(writtenS) * 1_000]
  })
  const [p50, p95] = [quantileMs(latencies, 0.5), quantileMs(latencies, 0.95)]
  const figures = { log_tail: latencies.length, p50_ms: p50, p95_ms: p95 }
  process.stdout.write(`${JSON.stringify(figures)}\n`)
  expect(p50).toBeLessThan(LATENCY_MS_MAX)
}, 180_000)
