import type { ContainerBody } from './engine-types.ts'
import { NO_GPU_PARTS } from './gpu/gpu-parts.ts'
import { BUSYBOX_INSIDE, GUARD_COMMAND, LEASE_INSIDE } from './guard.ts'
import { PROFILE_LABEL } from './sandbox-profile.ts'
import { SECCOMP_OPTION } from './seccomp-filter.ts'

export const HOLDER = 'holder'

const PIDS = 16
const MEMORY_BYTES = 16_777_216
const CPU_SHARES = 2
/** Seconds of a trial's, which has no lease to end it. */
const TRIAL_S = 60

/**
 * What holds the network namespace of a job and has the one right to say what goes through it. It
 * has the lease of the job's own container, so that it ends with it, the labels of its network, so
 * that whatever looks for the job's things finds it, and nothing of its image.
 */
export function holderBody(
  body: ContainerBody,
  labels: Readonly<Record<string, string>>,
  parts: { readonly image: string; readonly kit: string; readonly kitInside: string }
): ContainerBody {
  // In the job's group it would take of what is the job's.
  const { Mounts, CgroupParent: _jobs, ...host } = body.HostConfig
  const ours = Mounts.filter(({ Type, ReadOnly }) => Type === 'bind' && ReadOnly)
  const options = (host['SecurityOpt'] ?? []) as readonly string[]
  const isTrial = !ours.some(({ Target }) => Target === LEASE_INSIDE)
  const swap = host['MemorySwap'] === undefined ? {} : { MemorySwap: MEMORY_BYTES }
  return {
    ...body,
    Image: parts.image,
    User: '0:0',
    Entrypoint: isTrial ? [BUSYBOX_INSIDE, 'sleep', String(TRIAL_S)] : GUARD_COMMAND,
    Cmd: [],
    Env: NO_GPU_PARTS.env,
    Labels: { ...labels, [PROFILE_LABEL]: HOLDER },
    HostConfig: {
      ...host,
      ...swap,
      CapAdd: ['NET_ADMIN'],
      // Nor does it hold the job's GPUs: it outlives the job's container by a moment.
      Devices: [],
      DeviceRequests: [],
      GroupAdd: [],
      // A job that builds images has a wider filter than whatever holds its network needs.
      SecurityOpt: options.map((each) => (each.startsWith('seccomp=') ? SECCOMP_OPTION : each)),
      ReadonlyRootfs: true,
      PidsLimit: PIDS,
      Memory: MEMORY_BYTES,
      CpuShares: CPU_SHARES,
      Mounts: [
        ...ours,
        { Type: 'bind', Source: parts.kit, Target: parts.kitInside, ReadOnly: true }
      ]
    }
  }
}
