import { posix } from 'node:path'
import { MeshError } from '../../protocol/core/errors.ts'
import { SECRETS_INSIDE } from '../../protocol/pipeline/secrets.ts'
import type { LocalImage } from './engine-types.ts'
import { INSIDE } from './guard.ts'

/** Folders that one image may declare as volumes: each is a mount of the job's container. */
const IMAGE_VOLUMES_MAX = 16
/** Where the kernel and the engine mount; a volume there would hide what they do. */
const KERNEL = /^\/(proc|sys|dev)(\/|$)/

/**
 * The folders for which the engine would make a volume on the host's disk, each once. Throws
 * SANDBOX_FAILED for an image that declares too many, or places that are none.
 */
export function imageVolumes(
  job: string,
  { volumes }: Pick<LocalImage, 'volumes'>
): readonly string[] {
  const places = new Set(volumes.map((path) => posix.normalize(path).replace(/(?<=.)\/$/, '')))
  const wrong = [...places].find(
    (path) => !path.startsWith('/') || path === '/' || KERNEL.test(path) || isOurs(path)
  )
  if (wrong !== undefined) throw refused(job, `its image declares a volume at ${wrong}`)
  if (places.size <= IMAGE_VOLUMES_MAX) return [...places]
  throw refused(job, `its image declares ${places.size} volumes, ${IMAGE_VOLUMES_MAX} are allowed`)
}

/**
 * For one in the folder of its deadline, which is the host's, an engine has to make a folder there,
 * and fails where that is read-only by then (20.10.24), on one host after the other. Among secrets
 * it would be on the disk, where a file in memory is to be.
 */
function isOurs(path: string): boolean {
  return path === INSIDE || [INSIDE, SECRETS_INSIDE].some((place) => path.startsWith(`${place}/`))
}

function refused(job: string, cause: string): MeshError {
  return new MeshError('SANDBOX_FAILED', { job, action: 'be made', cause })
}
