import { expect, test } from 'vitest'
import { Metrics } from '../../../protocol/api/metrics.ts'
import { METRICS_SERIES_MAX } from '../../../protocol/core/metrics-limits.ts'
import { readExposition, seriesValue } from '../../support/prometheus-text.ts'

const EVENTS = { name: 'events_total', help: 'Events.', labels: ['reason'] }

test('a counter counts as other what has more labels than are kept', async () => {
  const metrics = new Metrics()
  const count = metrics.counter(EVENTS)

  for (let index = 0; index < METRICS_SERIES_MAX + 5; index += 1) count({ reason: `r${index}` })
  count({ reason: 'r0' })
  const families = readExposition(await metrics.text())

  expect(families.get('runner_mesh_events_total')?.samples).toHaveLength(METRICS_SERIES_MAX + 1)
  expect(seriesValue(families, 'runner_mesh_events_total', { reason: 'other' })).toBe(5)
  expect(seriesValue(families, 'runner_mesh_events_total', { reason: 'r0' })).toBe(2)
})

test('a scrape that would be too large is refused as overload, not sent', async () => {
  const metrics = new Metrics()
  metrics.gauge({ name: 'wide', help: 'Wide.', labels: ['text'] }, () =>
    Array.from({ length: METRICS_SERIES_MAX }, (_, index) => ({
      labels: { text: `${index}${'x'.repeat(5_000)}` },
      value: 1
    }))
  )

  await expect(metrics.text()).rejects.toMatchObject({ code: 'OVERLOADED' })
})

test('what a value is read from may be gone at the next scrape, and so is the value', async () => {
  let now: number | undefined = 3
  const metrics = new Metrics()
  metrics.value('something', 'Something.', () => now)

  const before = readExposition(await metrics.text())
  now = undefined
  const after = readExposition(await metrics.text())

  expect(seriesValue(before, 'runner_mesh_something')).toBe(3)
  expect(after.get('runner_mesh_something')?.samples).toEqual([])
})

test('the figures of the process are there, with the delay of the event loop', async () => {
  const families = readExposition(await Metrics.ofProcess().text())

  expect(seriesValue(families, 'process_resident_memory_bytes')).toBeGreaterThan(1e6)
  expect(families.has('nodejs_eventloop_lag_p99_seconds')).toBe(true)
})

test('the reader of tests takes nothing that a server would refuse', () => {
  const head = '# HELP runner_mesh_a A.\n# TYPE runner_mesh_a gauge\n'
  const broken: readonly string[] = [
    `${head}runner_mesh_a 1`,
    `${head}runner_mesh_a one\n`,
    `${head}runner_mesh_a{b="c} 1\n`,
    `${head}runner_mesh_a 1\nrunner_mesh_a 2\n`,
    `${head}runner_mesh_b 1\n`,
    '# HELP runner_mesh_a A.\n# TYPE runner_mesh_a counter\nrunner_mesh_a 1\n',
    '# HELP runner_mesh_a_ms A.\n# TYPE runner_mesh_a_ms gauge\nrunner_mesh_a_ms 1\n',
    '# TYPE runner_mesh_a gauge\nrunner_mesh_a 1\n'
  ]

  for (const text of broken) expect(() => readExposition(text), text).toThrow()
  expect(readExposition(`${head}runner_mesh_a{b="c\\"\\n"} 1e3\n`).size).toBe(1)
})
