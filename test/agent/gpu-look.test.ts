import { expect, test } from 'vitest'
import { gpuLookOf } from '../../agent/gpu-look.ts'
import type { DeviceUse } from '../../agent/probe/gpu/use/gpu-use.ts'
import type { TenantUse } from '../../agent/probe/gpu/use/host-gpu-use.ts'

const USED = { busyPercent: 87, memoryBytes: 2, powerWatts: undefined, temperature: 53 }
const UNKNOWN = {
  busyPercent: undefined,
  memoryBytes: undefined,
  powerWatts: undefined,
  temperature: undefined
}
const last = {
  devices: new Map<string, DeviceUse>([
    ['nvidia:GPU-1', USED],
    ['amd:2-0', UNKNOWN],
    ['nvidia:GPU-gone', USED]
  ]),
  jobs: new Map<string, readonly TenantUse[]>([
    ['J.0', [{ gpu: 'nvidia:GPU-1', busyPercent: 60, memoryBytes: undefined }]],
    ['J.ended', [{ gpu: 'nvidia:GPU-1', busyPercent: 27, memoryBytes: 1 }]]
  ])
}
const said = new Set(['nvidia:GPU-1', 'amd:2-0'])

test('an agent says what it saw of GPUs that it has, and of jobs that it holds', () => {
  expect(gpuLookOf({ last, ageMs: 4_200.4 }, said, ['J.0'])).toEqual({
    ageMs: 4_200,
    gpus: [
      {
        id: 'nvidia:GPU-1',
        ...USED,
        jobs: [{ job: 'J.0', busyPercent: 60, memoryBytes: undefined }]
      }
    ]
  })
})

test('where nothing is known nothing is said', () => {
  expect(gpuLookOf({ last, ageMs: undefined }, said, [])).toBeUndefined()
  expect(gpuLookOf({ last, ageMs: 1 }, new Set(['amd:2-0']), [])).toBeUndefined()
})

test('what a driver says that cannot be is left out, and the rest is said', () => {
  const odd = { busyPercent: 104, memoryBytes: -1, powerWatts: 2.5, temperature: 53 }
  const devices = new Map<string, DeviceUse>([['nvidia:GPU-1', odd]])
  const look = gpuLookOf({ last: { devices, jobs: new Map() }, ageMs: 1 }, said, [])
  const nonsense = new Map<string, DeviceUse>([['nvidia:GPU-1', { ...odd, temperature: 9_999 }]])

  expect(look?.gpus).toEqual([{ id: 'nvidia:GPU-1', busyPercent: 100, temperature: 53, jobs: [] }])
  expect(gpuLookOf({ last: { devices: nonsense, jobs: new Map() }, ageMs: 1 }, said, [])).toBe(
    undefined
  )
})
