import { expect, test } from 'vitest'
import { codeOf } from '../../../protocol/core/errors.ts'
import { GPUS_MAX } from '../../../protocol/core/gpu-limits.ts'
import type { GpuInUse, GpuLook } from '../../../protocol/core/gpu-look.ts'
import { GPU_SHARES_MAX } from '../../../protocol/core/gpu-request-limits.ts'
import { GOSSIP_BYTES_MAX } from '../../../protocol/core/limits.ts'
import {
  decodeAdvertisement,
  encodeAdvertisement
} from '../../../protocol/wire/advertisement-codec.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import { sampleAd } from '../../support/arbitrary-board.ts'

const AGENT = generateKey().peerId
const RUN = '7K3QF2ABCDEFGHJKMNPQRSTVWX'

const ad = (gpuLook: GpuLook) => sampleAd({ peerId: AGENT, gpuLook })

function gpu(more: Partial<GpuInUse> = {}): GpuInUse {
  const use = { busyPercent: 87, memoryBytes: 2 ** 31, powerWatts: 431, temperature: 53 }
  return { id: 'nvidia:GPU-1', ...use, jobs: [], ...more }
}

function problemOf(gpus: readonly GpuInUse[]): string | undefined {
  try {
    encodeAdvertisement(ad({ ageMs: 1, gpus }))
    return undefined
  } catch (error) {
    return `${codeOf(error)} ${String(error)}`
  }
}

test('the use of GPUs travels, what a driver does not say stays unknown', () => {
  const jobs = [{ job: `${RUN}.0`, busyPercent: 60, memoryBytes: 0 }, { job: `${RUN}.1` }]
  const look = { ageMs: 4_200, gpus: [gpu({ jobs }), { id: 'amd:2-0', jobs: [] }] }

  const read = decodeAdvertisement(encodeAdvertisement(ad(look))).gpuLook

  expect(read).toEqual(look)
  expect(read?.gpus[1]?.busyPercent).toBeUndefined()
})

test('the most that may be said fits into a message of gossip, with room for the rest', () => {
  const id = (index: number): string =>
    `nvidia:GPU-${'f'.repeat(36 - String(index).length)}${index}`
  const huge = { busyPercent: 100, memoryBytes: Number.MAX_SAFE_INTEGER }
  const jobs = Array.from({ length: GPU_SHARES_MAX }, (_, at) => ({ job: `${RUN}.${at}`, ...huge }))
  const gpus = Array.from({ length: GPUS_MAX }, (_, at) => gpu({ id: id(at), ...huge, jobs }))

  const bytes = encodeAdvertisement(ad({ ageMs: Number.MAX_SAFE_INTEGER, gpus }))

  expect(bytes.length).toBeLessThan(GOSSIP_BYTES_MAX / 2)
  expect(decodeAdvertisement(bytes).gpuLook?.gpus).toEqual(gpus)
})

test('an agent that says nothing of it is read as before', () => {
  const plain = sampleAd({ peerId: AGENT })

  expect(decodeAdvertisement(encodeAdvertisement(plain)).gpuLook).toBeUndefined()
})

test.each<readonly [string, readonly GpuInUse[]]>([
  ['of no GPU', []],
  ['one id twice', [gpu(), gpu()]],
  ['an id that is none', [gpu({ id: 'other:1' })]],
  ['more than all of the time', [gpu({ busyPercent: 101 })]],
  ['heat that is none', [gpu({ temperature: 4_000 })]],
  ['one job twice', [gpu({ jobs: [{ job: `${RUN}.0` }, { job: `${RUN}.0` }] })]],
  ['a job that is none', [gpu({ jobs: [{ job: 'x' }] })]]
])('what may not be so is not sent: %s', (_what, gpus) => {
  expect(problemOf(gpus)).toContain('MESSAGE_INVALID')
})
