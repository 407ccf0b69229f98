import { describe, expect, test } from 'vitest'
import { conditionOf } from '../../../protocol/core/conditions.ts'
import { remedyFor } from '../../../protocol/core/remedy.ts'
import { fits } from '../../../protocol/core/requirements.ts'
import type { JobSpec, ServiceSpec } from '../../../protocol/core/run.ts'
import { SAMPLE_ORIGIN, sampleAd, sampleSpec, sampleView } from '../../support/arbitrary-board.ts'

const PLATFORMS = [
  { name: 'linux/amd64', native: true },
  { name: 'linux/riscv64', native: false }
]
const FOUND = { image: 'debian:13', platforms: ['linux/arm64/v8', 'linux/amd64'] }
const host = { platforms: PLATFORMS, imagesLacking: [FOUND] }

function wanted(patch: Partial<JobSpec>) {
  return { jobId: 'R.0', spec: sampleSpec(patch), trust: 'trusted', origin: SAMPLE_ORIGIN } as const
}

const service = (name: string): ServiceSpec => ({
  name,
  image: 'postgres:17',
  env: {},
  secrets: [],
  command: [],
  resources: { cpuMilli: 100, memoryBytes: 0 },
  ready: { port: undefined, command: undefined, timeoutMs: 1 }
})

const unmet = (patch: Partial<JobSpec>, ad: object = host) => fits(wanted(patch), sampleAd(ad))

describe('a host that has found what an image is there for', () => {
  test('does not fit jobs for another platform, and names image and platforms', () => {
    expect(unmet({ platform: 'linux/riscv64' })).toEqual([
      {
        requirement: 'image',
        wanted: 'debian:13 for linux/riscv64',
        offered: 'only linux/arm64/v8, linux/amd64'
      }
    ])
  })

  test('fits those that the image is there for, and those of other images', () => {
    expect(unmet({ platform: 'linux/amd64' })).toEqual([])
    expect(unmet({})).toEqual([])
    expect(unmet({ platform: 'linux/riscv64', image: 'debian:14' })).toEqual([])
    expect(unmet({ platform: 'linux/riscv64' }, { platforms: PLATFORMS })).toEqual([])
  })

  test('takes its own platform for that of a job which names none', () => {
    const arm = [{ name: 'linux/riscv64', native: true }]
    expect(unmet({}, { ...host, platforms: arm })).toMatchObject([
      { wanted: 'debian:13 for linux/riscv64' }
    ])
    // Without a native one the job does not fit anyway, and no image is asked for.
    expect(unmet({}, { ...host, platforms: [] })).toMatchObject([{ requirement: 'platform' }])
  })

  test('looks at the images of services too, each once', () => {
    const services = [service('db'), service('db2')]
    const imagesLacking = [FOUND, { image: 'postgres:17', platforms: ['linux/amd64'] }]
    const spec = { platform: 'linux/riscv64', services } as const
    expect(unmet(spec, { ...host, imagesLacking }).map((one) => one.wanted)).toEqual([
      'debian:13 for linux/riscv64',
      'postgres:17 for linux/riscv64'
    ])
  })
})

test('a job whose image nobody could have says so, and what would help', () => {
  const job = wanted({ platform: 'linux/riscv64' })
  const onyx = sampleView({ ...host, name: 'onyx' })
  const none = sampleView({ peerId: 'p2', name: 'basalt', platforms: [], labels: {} })
  const condition = conditionOf(job, [none, onyx], [])

  expect(condition).toMatchObject({ kind: 'no_match', resolves: false })
  expect(condition.line).toBe(
    'no agent that fits can have image debian:13 for linux/riscv64: it is there for only ' +
      'linux/arm64/v8, linux/amd64 (asked by onyx); it will not resolve by itself'
  )
  const [lacking] = unmet({ platform: 'linux/riscv64' })
  if (lacking === undefined) throw new Error('it fits')
  expect(remedyFor(lacking, job, onyx.advertisement)).toBe(
    'push debian:13 for linux/riscv64, or ask for another `image` or `platform`'
  )
})

test('a job waits for the agent that has not asked yet', () => {
  const job = wanted({ platform: 'linux/riscv64' })
  const onyx = sampleView({ ...host, name: 'onyx' })
  const basalt = sampleView({ peerId: 'p2', name: 'basalt', platforms: PLATFORMS })
  expect(conditionOf(job, [onyx, basalt], []).line).toBe('a claim is due from basalt')
})

test('who forbids emulation is told of a native host whose registry lacks the image', () => {
  const native = [{ name: 'linux/riscv64', native: true }]
  const onyx = sampleView({ ...host, name: 'onyx', platforms: native })
  const emulating = sampleView({ peerId: 'p2', name: 'basalt', platforms: PLATFORMS })
  const job = wanted({ platform: 'linux/riscv64', emulation: 'forbid' })
  expect(conditionOf(job, [onyx, emulating], []).line).toContain(
    'no agent that fits can have image'
  )
})
