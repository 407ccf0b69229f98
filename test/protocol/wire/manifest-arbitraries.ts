import fc from 'fast-check'
import { formatAllowEntry } from '../../../protocol/core/allow-entry.ts'
import { ASKED_LEVELS } from '../../../protocol/core/isolation.ts'
import { formatNameEntry } from '../../../protocol/core/name-entry.ts'
import type { NetworkPolicy } from '../../../protocol/core/network.ts'
import type { JobSpec, Manifest, RunOrigin, ServiceSpec } from '../../../protocol/core/run.ts'
import { RUN_EVENTS } from '../../../protocol/core/run-event.ts'
import { gpuRequests } from '../../support/arbitrary-gpu-rooms.ts'
import { allowEntries, nameEntries } from '../../support/arbitrary-network.ts'
import { counts, hex, names, option, some, texts } from './draws.ts'

const commits = fc.oneof(hex(20), hex(32))

export const origins: fc.Arbitrary<RunOrigin> = fc.record({
  forgeHost: names,
  repositoryId: names,
  event: fc.constantFrom(...RUN_EVENTS),
  ref: names.map((name) => `refs/heads/${name}`),
  commit: commits,
  number: fc.constantFrom('', '17'),
  action: fc.constantFrom('', 'opened'),
  rerunNonce: fc.constantFrom('', 'again')
})

export const dictionaries = fc.dictionary(names, names, { maxKeys: 4, noNullPrototype: true })
const variables = fc.oneof(fc.stringMatching(/^[A-Za-z_]\w{0,10}$/), fc.constant('__proto__'))
const timeouts = fc.integer({ min: 1, max: 86_400_000 })

const networks: fc.Arbitrary<NetworkPolicy> = fc.oneof(
  fc.constantFrom('none', 'internet', 'open', 'audit'),
  fc.record({
    allow: fc.array(
      fc.oneof(allowEntries.map(formatAllowEntry), nameEntries.map(formatNameEntry)),
      { minLength: 1, maxLength: 4 }
    )
  })
)

const secretRequests = fc.uniqueArray(
  fc.oneof(
    fc.record({
      name: fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,10}$/),
      file: option(
        fc.stringMatching(/^[a-z0-9_][a-z0-9._-]{0,10}$/).map((x) => `/run/secrets/${x}`)
      )
    }),
    fc.record({
      name: fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,10}$/),
      file: fc.constant(undefined),
      registry: fc.constantFrom('docker.io', 'localhost:5000', 'registry.example')
    })
  ),
  {
    minLength: 1,
    maxLength: 3,
    comparator: (a, b) =>
      a.name === b.name ||
      (a.file !== undefined && a.file === b.file) ||
      ('registry' in a && 'registry' in b && a.registry === b.registry)
  }
)

const resources = fc.record({
  cpuMilli: fc.integer({ min: 1, max: 64_000 }),
  memoryBytes: fc.integer({ min: 1, max: 2 ** 44 })
})
const commands = option(
  fc.array(
    fc.string({ minLength: 1, maxLength: 5 }).filter((x) => !x.includes('\0')),
    {
      minLength: 1,
      maxLength: 3
    }
  )
)

const services: fc.Arbitrary<readonly ServiceSpec[]> = fc.uniqueArray(
  fc.record({
    name: fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?$/),
    image: fc.constantFrom('postgres:17', 'registry.example:5000/a/b@sha256:00'),
    env: fc.dictionary(variables, texts, { maxKeys: 4 }),
    command: commands,
    secrets: secretRequests.map((requests) => requests.filter(({ file }) => file !== undefined)),
    resources,
    ready: fc.record({
      port: option(fc.integer({ min: 1, max: 65_535 })),
      command: commands,
      timeoutMs: fc.integer({ min: 1, max: 600_000 })
    })
  }),
  { minLength: 1, maxLength: 3, selector: ({ name }) => name }
)

/** Without the keys that have nothing: an absent field comes out as an absent key. */
function withoutNothing<T extends object>(fields: T): T {
  const kept = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(kept) as T
}

const filled = <T>(arb: fc.Arbitrary<Readonly<Record<string, T>>>) =>
  option(arb.filter((record) => Object.keys(record).length > 0))

/** How a job hangs together with others; `needs` are for a job of that index. */
const graphsOf = (index: number) =>
  fc
    .record({
      needs: option(fc.subarray([...new Array(index).keys()])),
      retries: option(fc.integer({ min: 1, max: 5 })),
      priority: option(fc.integer({ min: -10, max: 10 }).filter((value) => value !== 0)),
      concurrency: option(fc.record({ group: names, cancelSuperseded: fc.boolean() })),
      prefer: filled(dictionaries),
      fallbackAfterMs: option(timeouts),
      matrix: filled(dictionaries),
      gpu: option(gpuRequests)
    })
    .map(({ needs, ...graph }) =>
      withoutNothing({ needs: needs?.length === 0 ? undefined : needs, ...graph })
    )

const jobSpecs: fc.Arbitrary<Omit<JobSpec, 'index'>> = fc
  .record({
    name: names,
    image: fc.constantFrom('alpine:3.20', 'registry.example:5000/a/b@sha256:00'),
    platform: option(fc.constantFrom('linux/amd64', 'linux/arm/v7')),
    emulation: fc.constantFrom('allow', 'forbid'),
    resources: fc
      .tuple(
        resources,
        option(fc.integer({ min: 1, max: 2 ** 44 })),
        option(fc.integer({ min: 1, max: 4_096 }))
      )
      .map(([own, diskBytes, pidsMax]) => {
        return { ...own, diskBytes, ...(pidsMax === undefined ? {} : { pidsMax }) }
      }),
    labels: dictionaries,
    env: fc.dictionary(variables, texts, { maxKeys: 4 }),
    timeoutMs: timeouts,
    onLoss: fc.constantFrom('retry', 'error'),
    network: networks,
    steps: some(
      fc
        .record({
          name: names,
          run: texts,
          timeoutMs: option(timeouts),
          always: option(fc.constant(true))
        })
        .map(({ always, ...step }) => (always === undefined ? step : { ...step, always }))
    ),
    isolation: option(fc.constantFrom(...ASKED_LEVELS)),
    secrets: option(secretRequests),
    services: option(services),
    builder: option(fc.constant(true)),
    runner: option(fc.record({ labels: fc.array(names, { minLength: 1, maxLength: 3 }) }))
  })
  .map(({ secrets, services, isolation, builder, runner, ...spec }) => ({
    ...spec,
    ...(runner === undefined ? {} : { runner }),
    ...(isolation === undefined ? {} : { isolation }),
    ...(secrets === undefined ? {} : { secrets }),
    ...(services === undefined ? {} : { services }),
    ...(builder === undefined ? {} : { builder })
  }))

export const manifests: fc.Arbitrary<Manifest> = fc
  .record({
    origin: origins,
    repository: names,
    url: fc.constantFrom('https://git.example/a.git', 'ssh://git@git.example/ä'),
    before: fc.oneof(fc.constant(''), commits),
    pusher: texts,
    title: texts,
    trust: fc.constantFrom('trusted', 'untrusted'),
    inputs: filled(dictionaries),
    base: option(names),
    fork: option(fc.constant(true)),
    graphs: fc.tuple(graphsOf(0), graphsOf(1), graphsOf(2)),
    content: fc.oneof(
      fc.array(jobSpecs, { minLength: 1, maxLength: 3 }),
      fc.record({
        code: fc.constant('PIPELINE_INVALID'),
        message: texts,
        line: option(counts),
        column: option(counts),
        path: option(texts)
      })
    )
  })
  .map(({ content, graphs, inputs, base, fork, trust, ...head }) => {
    const source = withoutNothing({ inputs, base, fork })
    const rest = { ...head, ...source, trust: fork === true ? ('untrusted' as const) : trust }
    if (!Array.isArray(content)) return { ...rest, jobs: [], error: content }
    const jobs = content.map((spec, index) => ({ index, ...spec, ...graphs[index] }))
    return { ...rest, jobs, error: undefined }
  })
