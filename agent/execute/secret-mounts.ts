import { LOG_BYTES_MAX } from '../../protocol/core/limits.ts'
import { SECRETS_PER_JOB_BYTES_MAX } from '../../protocol/core/secret-limits.ts'
import { SECRETS_INSIDE } from '../../protocol/pipeline/secrets.ts'
import type { ContainerBody } from './engine-types.ts'
import { BUSYBOX_INSIDE } from './guard.ts'
import { RECORD_INSIDE } from './step-record.ts'
import { type Volume, volumeMount } from './volume.ts'

/** Twice all values: each file takes whole pages. */
const SECRETS_BYTES = 2 * SECRETS_PER_JOB_BYTES_MAX + 1_048_576

const IN_MEMORY: readonly Volume[] = [
  // Written by the job's own user, whoever that is: only the files are closed to others.
  inMemory('-secrets', SECRETS_INSIDE, SECRETS_BYTES, '1777'),
  inMemory('-steps', RECORD_INSIDE, LOG_BYTES_MAX, '0700')
]

/**
 * The container of a job that has secrets: their files, and what its steps write, stay in memory.
 * A layer of the container is on the host's disk, and an echoed secret would be with it. `name` is
 * that of the job's volumes.
 */
export function withSecretMounts(
  body: ContainerBody,
  name: string,
  userBase: number
): ContainerBody {
  const { Mounts } = body.HostConfig
  // A profile may have the same place in memory already: the engine refuses a second mount there.
  const taken = new Set(Mounts.map(({ Target }) => Target))
  const added = IN_MEMORY.filter(({ target }) => !taken.has(target)).map((volume) =>
    volumeMount(volume, name, body.Labels, userBase)
  )
  return { ...body, HostConfig: { ...body.HostConfig, Mounts: [...Mounts, ...added] } }
}

function inMemory(suffix: string, target: string, bytes: number, mode: string): Volume {
  return { suffix, target, memory: { bytes, mode, owner: 0 } }
}

/** Takes the file's bytes from standard input: arguments are seen by everybody on the host. */
export function secretFileCommand(path: string): readonly string[] {
  const script = 'umask 377 && "$0" cat >"$1"'
  return [BUSYBOX_INSIDE, 'sh', '-c', script, BUSYBOX_INSIDE, path]
}
