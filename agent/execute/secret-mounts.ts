import { LOG_BYTES_MAX } from '../../protocol/core/limits.ts'
import { SECRETS_PER_JOB_BYTES_MAX } from '../../protocol/core/secret-limits.ts'
import { SECRETS_INSIDE } from '../../protocol/pipeline/secrets.ts'
import type { ContainerBody } from './engine-types.ts'
import { BUSYBOX_INSIDE } from './guard.ts'
import { RECORD_INSIDE } from './step-record.ts'

/** Twice all values: each file takes whole pages. */
const SECRETS_BYTES = 2 * SECRETS_PER_JOB_BYTES_MAX + 1_048_576

/**
 * The container of a job that has secrets: their files, and what its steps write, stay in memory.
 * A layer of the container is on the host's disk, and an echoed secret would be with it.
 */
export function withSecretMounts(body: ContainerBody): ContainerBody {
  const Tmpfs = {
    // Written by the job's own user, whoever that is: only the files are closed to others.
    [SECRETS_INSIDE]: `rw,noexec,nosuid,nodev,size=${SECRETS_BYTES},mode=1777`,
    [RECORD_INSIDE]: `rw,noexec,nosuid,nodev,size=${LOG_BYTES_MAX},mode=700`
  }
  // A profile may have the same place in memory already: the engine refuses a second mount there.
  const taken = new Set(body.HostConfig.Mounts.map(({ Target }) => Target))
  const added = Object.entries(Tmpfs).filter(([place]) => !taken.has(place))
  return { ...body, HostConfig: { ...body.HostConfig, Tmpfs: Object.fromEntries(added) } }
}

/** Takes the file's bytes from standard input: arguments are seen by everybody on the host. */
export function secretFileCommand(path: string): readonly string[] {
  const script = 'umask 377 && "$0" cat >"$1"'
  return [BUSYBOX_INSIDE, 'sh', '-c', script, BUSYBOX_INSIDE, path]
}
