import fc from 'fast-check'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import type { JobSpec } from '../../../protocol/core/run.ts'
import { parsePipeline } from '../../../protocol/pipeline/parse-pipeline.ts'
import { jobsOf } from '../../support/pipeline.ts'

const names = fc
  .stringMatching(/^[A-Za-z_][A-Za-z0-9_.-]{0,12}$/)
  .filter((name) => name !== '__proto__')
const durations = fc.constantFrom<readonly [string, number]>(
  ['90s', 90_000],
  ['30m', 1_800_000],
  ['1h30m', 5_400_000]
)
const sizes = fc.constantFrom<readonly [string, number]>(
  ['512MiB', 512 * 2 ** 20],
  ['4GiB', 4 * 2 ** 30],
  ['500MB', 500_000_000]
)
const printable = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
const scripts = fc
  .array(printable, { minLength: 1, maxLength: 3 })
  .map((lines) => lines.join('\n'))
  .filter((script) => script.trim() !== '' && !/[\0\r]/.test(script))
  // The writer of `yaml` leaves these without quotes in a flow, which its own reader does not take.
  .filter((script) => !/^[-?]\n/.test(script))
const labels = fc.dictionary(
  fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/),
  fc.stringMatching(/^[ -~]{1,9}$/)
)
const environment = fc.dictionary(
  fc.stringMatching(/^[A-Z][A-Z0-9_]{0,9}$/),
  fc.stringMatching(/^[ -~]{0,9}$/)
)
const maybe = <Value>(values: fc.Arbitrary<Value>) => fc.option(values, { nil: undefined })

const steps = fc.record({
  name: maybe(fc.stringMatching(/^[a-z][ -~]{0,12}$/)),
  run: scripts,
  timeout: maybe(durations)
})

const jobs = fc.record({
  name: names,
  image: maybe(fc.constantFrom('debian:13', 'registry.example:5000/a/b:1.2')),
  platform: maybe(fc.constantFrom('linux/amd64', 'linux/arm/v7')),
  emulation: maybe(fc.constantFrom('allow', 'forbid')),
  isolation: maybe(fc.constantFrom('userns', 'gvisor', 'vm')),
  cpu: maybe(fc.integer({ min: 100, max: 64_000 })),
  memory: maybe(sizes),
  labels: maybe(labels),
  env: maybe(environment),
  timeout: maybe(durations),
  onLoss: maybe(fc.constantFrom('retry', 'error')),
  network: maybe(
    fc.oneof(
      fc.constantFrom('none', 'internet', 'open'),
      fc.record({ allow: fc.constant(['10.1.2.0/24:80-90', '1.1.1.1:53/udp']) })
    )
  ),
  builder: maybe(fc.boolean()),
  steps: fc.array(steps, { minLength: 1, maxLength: 4 })
})

type Job = typeof jobs extends fc.Arbitrary<infer Value> ? Value : never

const pipelines = fc.record({
  jobs: fc.uniqueArray(jobs, { minLength: 1, maxLength: 5, selector: ({ name }) => name }),
  timeout: maybe(durations)
})

function entryOf(job: Job): object {
  const resources = {
    cpu: job.cpu === undefined ? undefined : job.cpu / 1_000,
    memory: job.memory?.[0]
  }
  const { image, platform, emulation, labels: wanted, env, network, isolation, builder } = job
  return {
    ...{ image, platform, emulation, labels: wanted, env, network, isolation, builder, resources },
    on_loss: job.onLoss,
    timeout: job.timeout?.[0],
    steps: job.steps.map((step) => ({ ...step, timeout: step.timeout?.[0] }))
  }
}

function specOf(job: Job, index: number, timeout: number | undefined): JobSpec {
  return {
    index,
    name: job.name,
    image: job.image ?? 'alpine:3',
    platform: job.platform,
    emulation: job.emulation ?? 'allow',
    resources: { cpuMilli: job.cpu ?? 1_000, memoryBytes: job.memory?.[1] ?? 2 ** 31 },
    labels: { ...job.labels },
    env: { ...job.env },
    timeoutMs: job.timeout?.[1] ?? timeout ?? 3_600_000,
    onLoss: job.onLoss ?? 'retry',
    network: job.network ?? 'none',
    ...(job.isolation === undefined ? {} : { isolation: job.isolation }),
    steps: job.steps.map(({ name, run, timeout: stepTimeout }) => ({
      name: name ?? expect.any(String),
      run,
      timeoutMs: stepTimeout?.[1]
    })),
    ...(job.builder === true ? { builder: true } : {})
  }
}

/** Maps without the keys that have no value: YAML would write them as null. */
function withoutUndefined(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}

test('a valid pipeline, written in any style, is read as the jobs that it means', {
  timeout: 30_000
}, () => {
  const styles = fc.constantFrom('block', 'flow', 'json', 'quoted')
  fc.assert(
    fc.property(pipelines, styles, (pipeline, style) => {
      const file = withoutUndefined({
        defaults: { image: 'alpine:3', timeout: pipeline.timeout?.[0] },
        jobs: Object.fromEntries(pipeline.jobs.map((job) => [job.name, entryOf(job)]))
      })
      const parsed = parsePipeline(new TextEncoder().encode(write(file, style)), { file: 'f' })

      if (parsed.kind === 'error') throw new Error(parsed.error.message)
      expect(jobsOf(parsed.pipeline)).toEqual(
        pipeline.jobs.map((job, index) => specOf(job, index, pipeline.timeout?.[1]))
      )
    }),
    { numRuns: 200 }
  )
})

function write(file: unknown, style: 'block' | 'flow' | 'json' | 'quoted'): string {
  switch (style) {
    case 'block':
      return stringify(file, { aliasDuplicateObjects: false })
    case 'flow':
      return stringify(file, { collectionStyle: 'flow', aliasDuplicateObjects: false })
    case 'json':
      return JSON.stringify(file)
    case 'quoted':
      return stringify(file, { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'QUOTE_DOUBLE' })
    default:
      return style satisfies never
  }
}
