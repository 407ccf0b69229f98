import { expect, test } from 'vitest'
import { failureOf } from '../../../../agent/execute/failure.ts'
import { gpusAtStart, sameGpus } from '../../../../agent/execute/gpu/gpus-at-start.ts'
import type { GpuDevice } from '../../../../agent/probe/gpu/gpu-device.ts'
import { MeshError } from '../../../../protocol/core/errors.ts'
import { A_GPU } from '../../../support/arbitrary-gpu-rooms.ts'

const DEVICE: GpuDevice = { ...A_GPU, nodes: ['/dev/nvidia0'] }
const LEASED = [{ device: DEVICE, share: 0.5 }]

test('a GPU that is well is handed on as it is by now', () => {
  const moved = { ...DEVICE, nodes: ['/dev/nvidia1'] }
  expect(gpusAtStart('R.0', LEASED, [moved])).toEqual([{ device: moved, share: 0.5 }])
  expect(gpusAtStart('R.0', undefined, [])).toBeUndefined()
})

test.each<readonly [string, readonly GpuDevice[], string]>([
  ['is ill', [{ ...DEVICE, health: 'unhealthy', reasons: ['Xid 79'] }], 'Xid 79'],
  ['is lost', [{ ...DEVICE, health: 'lost', reasons: ['it is gone'] }], 'it is gone'],
  ['is listed no more', [], 'this host does not list it any more']
])('one that %s since the claim is no fault of the job, which goes elsewhere', (_, now, why) => {
  let thrown: unknown
  try {
    gpusAtStart('R.0', LEASED, now)
  } catch (error) {
    thrown = error
  }
  expect(thrown).toBeInstanceOf(MeshError)
  expect(thrown).toMatchObject({ code: 'GPU_LOST', message: expect.stringContaining(why) })
  expect(failureOf(thrown, false)).toEqual({
    kind: 'fault',
    fault: 'job',
    reason: 'sandbox_failed'
  })
})

test('one whose nodes are others than those that the container was made for is not handed on', () => {
  const moved = { ...DEVICE, nodes: ['/dev/nvidia1'] }
  expect(sameGpus('R.0', LEASED, [DEVICE])).toEqual(LEASED)
  expect(sameGpus('R.0', undefined, [])).toBeUndefined()
  expect(() => sameGpus('R.0', LEASED, [moved])).toThrow(
    /its nodes were \/dev\/nvidia0 a moment ago and are \/dev\/nvidia1 now/
  )
})
