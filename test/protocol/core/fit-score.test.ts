import { describe, expect, test } from 'vitest'
import type { Advertisement } from '../../../protocol/core/advertisement.ts'
import { tierOf, weightOf } from '../../../protocol/core/fit-score.ts'
import type { Gpu } from '../../../protocol/core/gpu.ts'
import { GPU_WHOLE } from '../../../protocol/core/gpu-request-limits.ts'
import type { JobSpec } from '../../../protocol/core/run.ts'
import { warmKeysOf } from '../../../protocol/core/warmth.ts'
import {
  GIB,
  SAMPLE_ORIGIN,
  sampleAd,
  sampleSpec,
  sampleView
} from '../../support/arbitrary-board.ts'
import { plainDigest } from '../../support/plain-digest.ts'
import { rankedAgents } from '../../support/ranked-agents.ts'

const digest = plainDigest()
const REPOSITORY = SAMPLE_ORIGIN.repository
const keysOf = (spec: JobSpec) => warmKeysOf(spec, REPOSITORY, digest)
const trusted = (spec: JobSpec) => ({ spec, trust: 'trusted' }) as const
const GPU: Gpu = {
  id: 'nvidia:GPU-1',
  vendor: 'nvidia',
  model: 'A4000',
  pci: '',
  memoryBytes: 16 * GIB,
  sharedMemory: false,
  driver: '',
  architecture: '',
  numaNode: undefined,
  parent: undefined,
  health: 'ok',
  reasons: []
}
const NATIVE = [{ name: 'linux/arm64', native: true }]
const EMULATED = [{ name: 'linux/arm64', native: false }]

/** Over many jobs: how often which of them is first. */
function firsts(spec: JobSpec, ads: readonly Partial<Advertisement>[]): Record<string, number> {
  const agents = ads.map((ad) => sampleView(ad))
  const counts: Record<string, number> = {}
  for (let job = 0; job < 1_000; job += 1) {
    const rest = { trust: 'trusted', origin: SAMPLE_ORIGIN, lastHolder: undefined } as const
    const [first = ''] = rankedAgents({ jobId: `R${job}.0`, spec, ...rest }, agents, digest)
    counts[first] = (counts[first] ?? 0) + 1
  }
  return counts
}

describe('a job', () => {
  test('is never first on a host that emulates, nor on one with a GPU that it leaves idle', () => {
    const spec = sampleSpec({ platform: 'linux/arm64' })
    const hosts = [
      { peerId: 'plain', platforms: NATIVE },
      { peerId: 'gpu', platforms: NATIVE, gpus: [GPU] },
      { peerId: 'emulating', platforms: EMULATED },
      { peerId: 'both', platforms: EMULATED, gpus: [GPU] }
    ]
    for (const from of [0, 1, 2, 3]) {
      const left = hosts.slice(from)
      expect(firsts(spec, left)).toEqual({ [left[0]?.peerId ?? '']: 1_000 })
    }
    expect(hosts.map((host) => tierOf(trusted(spec), sampleAd(host)))).toEqual([0, 1, 100, 101])
  })

  test('is as welcome where a GPU takes no job as where there is none', () => {
    const ill = { ...GPU, health: 'lost', reasons: ['gone'] } as const
    expect(tierOf(trusted(sampleSpec()), sampleAd({ gpus: [ill] }))).toBe(0)
  })

  test('that asks for a GPU goes to the smallest that will do, and then to the next larger', () => {
    const sized = (peerId: string, gib: number, taken = 0) => ({
      peerId,
      gpus: [{ ...GPU, id: `nvidia:GPU-${peerId}`, memoryBytes: gib * GIB }],
      gpusHeld: taken === 0 ? [] : [{ id: `nvidia:GPU-${peerId}`, units: taken, jobs: ['R.0'] }]
    })
    const spec = sampleSpec({ gpu: { count: 1, memoryBytes: 12 * GIB } })
    const hosts = [sized('d', 8), sized('c', 80), sized('b', 24), sized('a', 16)]
    expect(firsts(spec, hosts)).toEqual({ a: 1_000 })
    expect(firsts(spec, [sized('c', 80), sized('b', 24), sized('a', 16, GPU_WHOLE)])).toEqual({
      b: 1_000
    })
    expect(firsts(spec, [sized('d', 8), sized('c', 80)])).toEqual({ c: 1_000 })
  })

  test('goes to a host that has its image for most of the time, and less often to a dear one', () => {
    const spec = sampleSpec()
    const { images, repository } = keysOf(spec)
    const warm = firsts(spec, [{ peerId: 'a' }, { peerId: 'b', warm: images }])
    expect((warm['b'] ?? 0) / 1_000).toBeCloseTo(4 / 5, 1)
    const known = firsts(spec, [{ peerId: 'a' }, { peerId: 'b', warm: [repository] }])
    expect((known['b'] ?? 0) / 1_000).toBeCloseTo(2 / 3, 1)
    const dear = firsts(spec, [{ peerId: 'a' }, { peerId: 'b', costPercent: 300 }])
    expect((dear['b'] ?? 0) / 1_000).toBeCloseTo(1 / 4, 1)
  })

  test('with services finds a host warm that has all of their images', () => {
    const service = { name: 'db', image: 'postgres:17', env: {}, secrets: [], command: undefined }
    const resources = { cpuMilli: 100, memoryBytes: GIB }
    const ready = { port: undefined, command: undefined, timeoutMs: 1 }
    const spec = sampleSpec({ services: [{ ...service, resources, ready }] })
    const { images } = keysOf(spec)
    expect(images).toHaveLength(2)
    const weight = (warm: readonly string[]) => weightOf(spec, sampleAd({ warm }), keysOf(spec))
    expect(weight(images) / weight([])).toBe(4)
    expect(weight(images.slice(1))).toBe(weight([]))
  })
})

test('the weight is how many jobs of this size fit, by the scarcest resource', () => {
  const resources = { cpuMilli: 500, memoryBytes: GIB, diskBytes: 2 * GIB }
  const free = (cpuMilli: number, memory: number, disk: number, jobs: number) => {
    const room = { cpuMilli, memoryBytes: memory * GIB, diskBytes: disk * GIB, jobs }
    const spec = sampleSpec({ resources })
    return weightOf(spec, sampleAd({ free: room }), keysOf(spec))
  }
  expect(free(4_000, 64, 128, 64)).toBe(8)
  expect(free(64_000, 5, 128, 64)).toBe(5)
  expect(free(64_000, 64, 6, 64)).toBe(3)
  expect(free(64_000, 64, 128, 2)).toBe(2)
  expect(free(1_000_000, 1_000, 2_000, 1_000)).toBe(64)
})
