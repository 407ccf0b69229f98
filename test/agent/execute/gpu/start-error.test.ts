import { expect, test, vi } from 'vitest'
import { EngineError } from '../../../../agent/execute/engine-types.ts'
import { failureOf } from '../../../../agent/execute/failure.ts'
import { JobGpus } from '../../../../agent/execute/gpu/job-gpus.ts'
import { gpuStartError, suspects } from '../../../../agent/execute/gpu/start-error.ts'
import type { GpuDevice } from '../../../../agent/probe/gpu/gpu-device.ts'
import { codeOf, MeshError } from '../../../../protocol/core/errors.ts'
import { uuid } from '../../../support/gpu-host.ts'

const WITH = { HostConfig: { Devices: [{ PathOnHost: '/dev/kfd' }], Mounts: [] } } as never
const WITHOUT = { HostConfig: { Devices: [], DeviceRequests: [], Mounts: [] } } as never

function leased(id: string, ...nodes: readonly string[]) {
  return { device: { id, nodes } as unknown as GpuDevice }
}
const TWO = [
  leased(`nvidia:${uuid('1')}`, '/dev/nvidia1'),
  leased('amd:0000:63:00.0', '/dev/kfd', '/dev/dri/renderD12')
]

test.each([
  'could not select device driver "nvidia" with capabilities: [[gpu compute utility]]',
  'could not select device driver "cdi" with capabilities: []',
  'error gathering device information while adding custom device "/dev/kfd": no such file',
  'OCI runtime create failed: nvidia-container-cli: initialization error: driver not loaded',
  'CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=GPU-0'
])('%s is ours, and another host takes the job', (message) => {
  const error = gpuStartError('J.0', WITH, new EngineError(message, 500))

  expect(codeOf(error)).toBe('GPU_NOT_PASSED')
  expect(failureOf(error, false)).toEqual({ kind: 'fault', fault: 'job', reason: 'sandbox_failed' })
})

test('an image that wants a newer driver goes to another host, and its GPU is no worse', () => {
  const message =
    'nvidia-container-cli: requirement error: unsatisfied condition: cuda>=13.0, please update'
  const error = gpuStartError('J.0', WITH, new EngineError(message, 500))

  expect(codeOf(error)).toBe('GPU_REFUSED')
  expect(failureOf(error, false)).toMatchObject({ kind: 'fault', fault: 'job' })
})

test('what a container without a GPU fails of is never one', () => {
  const error = new EngineError('could not select device driver "nvidia"', 500)
  expect(gpuStartError('J.0', WITHOUT, error)).toBe(error)
})

test('what says nothing of a GPU stays what it is', () => {
  const error = new EngineError('no space left on device', 500)
  expect(gpuStartError('J.0', WITH, error)).toBe(error)
})

test.each<[string, readonly string[]]>([
  ['no such file: "/dev/dri/renderD12"', ['amd:0000:63:00.0']],
  ['no such file: "/dev/dri/renderD128"', [`nvidia:${uuid('1')}`, 'amd:0000:63:00.0']],
  [`unresolvable nvidia.com/gpu=${uuid('1')}`, [`nvidia:${uuid('1')}`]],
  ['something "/dev/kfd"', [`nvidia:${uuid('1')}`, 'amd:0000:63:00.0']]
])('of %s these are doubted: %j', (cause, ids) => {
  expect(suspects(TWO, cause)).toEqual(ids)
})

test('an attempt that its GPUs failed has them doubted, any other none', () => {
  const doubt = vi.fn()
  const rest = { before: vi.fn(), after: vi.fn() }
  const tenants = { add: vi.fn(), remove: vi.fn() }
  const passage = { parts: vi.fn() }
  const gpus = new JobGpus({ passage, rest, tenants, used: () => undefined, doubt })
  const cause = new EngineError('error gathering device information: "/dev/dri/renderD12"', 500)
  const job = { jobId: 'J.0', gpus: TWO }

  gpus.failed(job, new EngineError('no space left on device', 500))
  gpus.failed(job, new MeshError('GPU_REFUSED', { job: 'J.0', gpu: 'x', cause: 'y' }))
  expect(doubt).not.toHaveBeenCalled()

  gpus.failed(job, gpuStartError('J.0', WITH, cause))
  expect(doubt).toHaveBeenCalledExactlyOnceWith(
    'amd:0000:63:00.0',
    expect.stringContaining('the engine could not give it to a container: error gathering')
  )
})
