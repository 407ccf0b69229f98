import { expect, test } from 'vitest'
import { renderPeer } from '../../../agent/cli/render-status.ts'
import { peerSchema } from '../../../agent/control/contract.ts'
import { statusView } from '../../../agent/control/status-view.ts'
import type { DeviceUse } from '../../../agent/probe/gpu/use/gpu-use.ts'
import type { GpuUseReading } from '../../../agent/probe/gpu/use/host-gpu-use.ts'
import { controlParts } from '../../support/control-parts.ts'

const USED = { busyPercent: 87, memoryBytes: 2 ** 31, powerWatts: 431, temperature: 53 }
const UNKNOWN = { busyPercent: undefined, memoryBytes: undefined }
const READING: GpuUseReading = {
  devices: new Map<string, DeviceUse>([
    ['nvidia:GPU-1', USED],
    ['amd:2-0', { ...UNKNOWN, powerWatts: undefined, temperature: undefined }]
  ]),
  jobs: new Map([
    ['J.0', [{ gpu: 'nvidia:GPU-1', busyPercent: 60, memoryBytes: 2 ** 30 }]],
    ['J.1', [{ gpu: 'nvidia:GPU-1', ...UNKNOWN }]]
  ])
}

test('an agent says how its own GPUs are used, by whom, and what it does not know', () => {
  const { peers } = statusView(controlParts({ gpuUse: () => READING }))
  const [self, ...others] = peers.map((peer) => peerSchema.parse(peer))

  expect(self?.gpuUse).toEqual([
    {
      gpu: 'nvidia:GPU-1',
      ...USED,
      jobs: [
        { job: 'J.0', busyPercent: 60, memoryBytes: 2 ** 30 },
        { job: 'J.1', busyPercent: null, memoryBytes: null }
      ]
    },
    {
      gpu: 'amd:2-0',
      busyPercent: null,
      memoryBytes: null,
      powerWatts: null,
      temperature: null,
      jobs: []
    }
  ])
  expect(others.flatMap(({ gpuUse }) => gpuUse)).toEqual([])

  const text = renderPeer(self ?? never())
  expect(text).toMatch(/gpu use +nvidia:GPU-1: 87 %, 2 GiB, 431 W, 53 C\n/)
  expect(text).toMatch(/ +job J\.0: 60 %, 1 GiB\n/)
  expect(text).toMatch(/ +job J\.1: time not known, memory not known\n/)
})

function never(): never {
  throw new Error('no peer')
}
