import type { Readable } from 'node:stream'
import { DISK_FULL } from '../../protocol/core/error-kind.ts'
import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import type { Resources } from '../../protocol/core/run.ts'
import type { ContainerBody } from './engine-types.ts'
import { BUSYBOX_INSIDE } from './guard.ts'
import { type Profile, WORKSPACE_INSIDE } from './sandbox-profile.ts'
import { RECORD_INSIDE } from './step-record.ts'
import { isInMemory, isLimited } from './volume.ts'

/** A new ext4 has a folder of its own, which would lie among the source. */
const EXTRACT = `"$0" rmdir ${WORKSPACE_INSIDE}/lost+found 2>/dev/null
"$0" mkdir -m 700 -p ${RECORD_INSIDE} && "$0" tar -x -p -o -C ${WORKSPACE_INSIDE} -f -`
const OWN = `"$0" chown -R -h "$1" ${WORKSPACE_INSIDE} ${RECORD_INSIDE}`

export interface UnpackingParts {
  readonly profile: Profile
  /** What the container was made of. */
  readonly body: ContainerBody
  readonly resources: Resources
  /** The image's own user, '' for root. */
  readonly imageUser: string
  /** Runs a command in the box to its end, as that user, and gives what it said. */
  readonly helper: (command: readonly string[], user: string, stdin?: Readable) => Promise<string>
  /** True once the kernel has ended something in the box for want of memory. */
  readonly ranOutOfMemory: () => Promise<boolean>
}

/**
 * Lays a tar archive out in the workspace, for whoever the steps run as. Throws SOURCE_TOO_LARGE
 * where the workspace has a size and that is too small for it, else what `helper` throws.
 */
export async function unpackSource(parts: UnpackingParts, archive: Readable): Promise<void> {
  const { profile, imageUser, helper } = parts
  await extract(parts, archive)
  if (profile.user !== undefined) return
  if (imageUser === '' || imageUser === 'root' || imageUser === '0') return
  // The engine knows the image's users; the mounted busybox must not load the image's libraries.
  const said = await helper(busybox('"$0" id -u && "$0" id -g'), imageUser)
  await helper([...busybox(OWN), said.trim().replace('\n', ':')], profile.helper)
}

async function extract(parts: UnpackingParts, archive: Readable): Promise<void> {
  const { profile, body, helper, ranOutOfMemory } = parts
  try {
    await helper(busybox(EXTRACT), profile.helper, archive)
  } catch (error) {
    if (!isLimited(body, WORKSPACE_INSIDE)) throw error
    const inMemory = isInMemory(body, WORKSPACE_INSIDE)
    // Not this host's disk: a host that took it for its own would rest, and so would the next one.
    const isFull = DISK_FULL.test(causeOf(error)) || (inMemory && (await ranOutOfMemory()))
    if (!isFull) throw error
    throw tooLarge(inMemory ? 'memory' : 'disk', parts.resources, error)
  }
}

/** For a source that does not fit into what the job may have of this. */
export function tooLarge(
  of: 'memory' | 'disk',
  { memoryBytes, diskBytes = 0 }: Resources,
  cause: unknown
): MeshError {
  const mib = Math.floor((of === 'memory' ? memoryBytes : diskBytes) / 1_048_576)
  return new MeshError('SOURCE_TOO_LARGE', { mib, of }, { cause })
}

function busybox(script: string): string[] {
  return [BUSYBOX_INSIDE, 'sh', '-c', script, BUSYBOX_INSIDE]
}
