import { LOG_BYTES_MAX } from '../../protocol/core/limits.ts'
import { type Profile, WORKSPACE_INSIDE } from './sandbox-profile.ts'
import { SECCOMP_OPTION } from './seccomp-filter.ts'
import { RECORD_INSIDE } from './step-record.ts'
import type { Volume } from './volume.ts'

export const JOB = 10_001
/** Neither root nor the job's: only its own user, or root, could signal it or trace it. */
const GUARD = 10_002
export const HOME_INSIDE = '/home/job'
/** Sockets and numbers of processes; nothing large belongs there. */
const RUN_BYTES = 16_777_216

const numbered = (id: number): string => `${id}:${id}`

/**
 * What a stranger's job runs in where root in the box would be root on the host. Nobody in it has a
 * capability, the guard neither, and all that can be written is in memory: it counts as the job's,
 * so that its limit is one of disk as well, and is gone with the container.
 */
export const STRICT: Profile = {
  name: 'strict',
  guard: numbered(GUARD),
  helper: numbered(JOB),
  user: numbered(JOB),
  env: [`HOME=${HOME_INSIDE}`],
  capabilities: [],
  seccomp: SECCOMP_OPTION,
  readOnlyRoot: true,
  volumes: ({ resources: { memoryBytes }, imageVolumes = [] }) => {
    const ours = [
      memory('', WORKSPACE_INSIDE, memoryBytes, '0755'),
      // As large as a log may be: what is cut here would be missing after an agent's restart.
      memory('-steps', RECORD_INSIDE, LOG_BYTES_MAX, '0700'),
      memory('-tmp', '/tmp', memoryBytes, '1777'),
      memory('-run', '/run', RUN_BYTES, '0755'),
      memory('-home', HOME_INSIDE, memoryBytes, '0700')
    ]
    const taken = new Set(ours.map(({ target }) => target))
    // The engine would make each a folder on the host's disk, without any limit.
    const rest = imageVolumes.filter((target) => !taken.has(target))
    const covered = rest.map((target, at) => memory(`-image-${at}`, target, memoryBytes, '0755'))
    return [...ours, ...covered]
  }
}

function memory(suffix: string, target: string, bytes: number, mode: string): Volume {
  return { suffix, target, memory: { bytes, mode, owner: JOB } }
}
