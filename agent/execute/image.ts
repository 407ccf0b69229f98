import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import { IMAGE_PULL_MS_MAX } from '../../protocol/core/limits.ts'
import { runsOn } from '../../protocol/core/platform.ts'
import type { Engine } from './engine.ts'
import { EngineError, type LocalImage } from './engine-types.ts'
import { parseImage } from './image-reference.ts'

const TOO_MANY_REQUESTS = 429

/** What registries and engines say of an image that there is not, or not for us. */
const NO_SUCH_IMAGE = new RegExp(
  [
    'manifest( for \\S+)? (unknown|not found)',
    'manifest unknown',
    'no matching manifest',
    'name unknown',
    'repository does not exist',
    'access( to the resource is|) denied',
    'unauthorized',
    'authentication required',
    'invalid reference'
  ].join('|'),
  'i'
)

export interface ImageRequest {
  readonly reference: string
  /** What the job runs on; the image may be for an older variant of it. */
  readonly platform: string
  readonly signal: AbortSignal
  /** Called before a pull, which may take long. */
  readonly onPull: () => void
}

/**
 * Pull policy `missing`: the image of this host where it fits, else a pull. Throws
 * IMAGE_UNAVAILABLE where there is no such image, IMAGE_PULL_FAILED where it cannot be had now.
 */
export async function ensureImage(engine: Engine, request: ImageRequest): Promise<LocalImage> {
  const { reference, platform } = request
  if (parseImage(reference) === undefined) {
    throw unavailable(reference, 'this is no image name: write it as registry/name:tag')
  }
  const present = await engine.image(reference)
  if (present !== undefined && runsOn(present.platform, platform)) return present
  request.signal.throwIfAborted()
  request.onPull()
  await pull(engine, request, present)
  const pulled = await engine.image(reference)
  if (pulled === undefined) throw unavailable(reference, 'the pull ended without it')
  if (runsOn(pulled.platform, platform)) return pulled
  throw unavailable(reference, `it is for ${pulled.platform}, the job runs on ${platform}`)
}

async function pull(
  engine: Engine,
  request: ImageRequest,
  present: LocalImage | undefined
): Promise<void> {
  const { reference, platform } = request
  const parts = parseImage(reference)
  if (parts === undefined) return
  const limit = AbortSignal.timeout(IMAGE_PULL_MS_MAX)
  const signal = AbortSignal.any([request.signal, limit])
  try {
    await engine.pull(parts.name, parts.tag, platform, signal)
  } catch (error) {
    request.signal.throwIfAborted()
    if (error instanceof MeshError) throw error
    const late = limit.aborted ? `no end after ${IMAGE_PULL_MS_MAX} ms` : causeOf(error)
    const local =
      present === undefined ? '' : ` (here for ${present.platform}, the job runs on ${platform})`
    const cause = `${late}${local}`
    if (saysThereIsNone(error)) throw unavailable(reference, cause, error)
    throw new MeshError('IMAGE_PULL_FAILED', { image: reference, cause }, { cause: error })
  }
}

/** True for an answer that will be the same wherever and whenever it is asked for. */
function saysThereIsNone(error: unknown): boolean {
  if (!(error instanceof EngineError)) return false
  const { status, message } = error
  if (status !== undefined && status < 500) return status !== TOO_MANY_REQUESTS
  // Where a pull fails under way, its status was sent before, and older engines send 500 for all.
  return NO_SUCH_IMAGE.test(message)
}

function unavailable(image: string, cause: string, error?: unknown): MeshError {
  return new MeshError('IMAGE_UNAVAILABLE', { image, cause }, { cause: error })
}
