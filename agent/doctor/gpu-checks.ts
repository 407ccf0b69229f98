import { causeOf } from '../../protocol/core/errors.ts'
import { boundedGpus } from '../../protocol/core/gpu.ts'
import { gpuProblems } from '../probe/gpu/gpu-problems.ts'
import type { HostGpus } from '../probe/gpu/host-gpus.ts'
import { type Finding, ok, warning } from './finding.ts'

/** The GPUs of this host as an agent would advertise them. */
export async function checkGpus(
  gpus: Pick<HostGpus, 'read' | 'close'>
): Promise<readonly Finding[]> {
  try {
    const { devices, warnings } = await gpus.read()
    const bounded = boundedGpus(devices)
    const well = bounded.filter(({ health }) => health === 'ok')
    return [
      ...well.map(({ id, model }) => ok('gpu', `${model}, ${id}`)),
      ...gpuProblems(bounded, warnings).map(({ found, fix }) => {
        return warning('gpu', 'HOST_GPU', { found, wanted: 'GPUs that take jobs', fix })
      })
    ]
  } catch (error) {
    const facts = { found: `not read: ${causeOf(error)}`, wanted: 'GPUs that can be read' }
    return [warning('gpu', 'HOST_GPU', { ...facts, fix: 'report this as a mistake of ours' })]
  } finally {
    await gpus.close()
  }
}
