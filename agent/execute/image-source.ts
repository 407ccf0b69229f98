import { setTimeout as sleep } from 'node:timers/promises'
import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import {
  IMAGE_PULL_PAUSE_MS,
  IMAGE_PULL_TRIES_MAX,
  IMAGE_RESOLVE_MS_MAX
} from '../../protocol/core/image-limits.ts'
import { IMAGE_PULL_MS_MAX } from '../../protocol/core/limits.ts'
import { parsePlatform, runsOn } from '../../protocol/core/platform.ts'
import { type RegistryLogin, registryOf } from '../../protocol/core/registry-login.ts'
import type { Engine } from './engine.ts'
import { EngineError, type EngineLogin, type LocalImage } from './engine-types.ts'
import type { ImageReference } from './image-reference.ts'

const TOO_MANY_REQUESTS = 429

/** What registries and engines say of an image that there is not, or not for us. */
const NO_SUCH_IMAGE = new RegExp(
  [
    'manifest( for \\S+)? (unknown|not found)',
    'manifest unknown',
    'name unknown',
    'repository does not exist',
    'access( to the resource is|) denied',
    'unauthorized',
    'authentication required',
    'no basic auth credentials',
    'incorrect username or password',
    'invalid reference'
  ].join('|'),
  'i'
)

/** What engines say of an index, where a registry has said nothing of platforms before. */
const OF_NO_PLATFORM = /no matching manifest/i

/** The digest of an index leads to another platform's image, which somebody pulls or has pulled. */
const OTHER_PLATFORM = /cannot overwrite digest/i

export interface Wanted {
  /** As the job wrote it. */
  readonly text: string
  readonly reference: ImageReference
  /** What the job runs on; the image may be for an older variant of it. */
  readonly platform: string
  readonly signal: AbortSignal
  /** What its registry is shown; undefined for the engine's own access. */
  readonly login: RegistryLogin | undefined
  /** Platform of the image that this host has by that name; undefined for none. */
  readonly elsewise: string | undefined
}

/** What a tag stands for. */
export interface Resolved {
  readonly digest: string
  /** To pull it for, as the registry calls it: engines look for an index's own words. */
  readonly platform: string
}

/**
 * What the tag stands for now. Throws, before anything is fetched, IMAGE_UNAVAILABLE
 * where there is no such image, IMAGE_PLATFORM_LACKING where there is none for the platform, and
 * IMAGE_PULL_FAILED where none can say now.
 */
export async function resolveImage(
  engine: Engine,
  wanted: Wanted,
  tag = wanted.reference.tag
): Promise<Resolved> {
  const { reference, platform } = wanted
  const login = engineLogin(reference.name, wanted.login)
  const found = await limited(wanted, IMAGE_RESOLVE_MS_MAX, (signal) =>
    engine.distribution(reference.name, tag, { signal, login })
  )
  const { digest, platforms } = found
  const best = bestOf(platforms, platform)
  if (best !== undefined) return { digest, platform: best }
  // A registry that says nothing of platforms leaves that to the pull.
  if (platforms.length === 0) return { digest, platform: withoutLevel(platform) }
  throw lacking(wanted, [...new Set(platforms)].join(', '))
}

/** Of those that the platform runs the newest variant; undefined where it runs none. */
function bestOf(platforms: readonly string[], platform: string): string | undefined {
  const able = platforms.filter((each) => runsOn(each, platform))
  const [best] = able.toSorted((a, b) => variantOf(b) - variantOf(a))
  return best
}

function variantOf(platform: string): number {
  return parsePlatform(platform)?.variant ?? 0
}

/** Nearly all images of amd64 are for its first level, and engines before 29 know of no other. */
function withoutLevel(platform: string): string {
  return platform.replace(/^(linux\/amd64)\/v\d$/, '$1')
}

/** Fetches exactly what the digest stands for. Throws as `resolveImage`. */
export async function pullImage(
  engine: Engine,
  wanted: Wanted,
  { digest, platform: asked }: Resolved
): Promise<LocalImage> {
  const { text, reference, platform } = wanted
  const exact = `${reference.name}@${digest}`
  const login = engineLogin(reference.name, wanted.login)
  let seen: LocalImage | undefined
  for (let tries = 0; tries < IMAGE_PULL_TRIES_MAX; tries++) {
    if (tries > 0) await sleep(IMAGE_PULL_PAUSE_MS, undefined, { signal: wanted.signal })
    try {
      await limited(wanted, IMAGE_PULL_MS_MAX, (signal) =>
        engine.pull(reference.name, digest, asked, { signal, login })
      )
    } catch (error) {
      if (tries + 1 < IMAGE_PULL_TRIES_MAX && OTHER_PLATFORM.test(causeOf(error))) continue
      throw error
    }
    seen = await engine.image(exact)
    if (seen !== undefined && runsOn(seen.platform, platform)) return seen
  }
  const cause = seen === undefined ? 'the pull ended without it' : `it came for ${seen.platform}`
  throw new MeshError('IMAGE_PULL_FAILED', { image: text, cause })
}

/** One call, limited in time, whose failure is told as what it means for the job. */
async function limited<T>(
  { text, platform, signal, elsewise, login }: Wanted,
  limitMs: number,
  call: (signal: AbortSignal) => Promise<T>
): Promise<T> {
  const limit = AbortSignal.timeout(limitMs)
  try {
    return await call(AbortSignal.any([signal, limit]))
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof MeshError) throw error
    const late = limit.aborted ? `no end after ${limitMs} ms` : causeOf(error)
    const local =
      elsewise === undefined ? '' : ` (here for ${elsewise}, the job runs on ${platform})`
    const as = login === undefined ? '' : ` (asked as ${login.user} of ${login.registry})`
    const cause = `${late}${local}${as}`
    if (OF_NO_PLATFORM.test(causeOf(error))) throw lacking({ text, platform }, 'others', error)
    if (saysThereIsNone(error)) throw unavailable(text, cause, error)
    throw new MeshError('IMAGE_PULL_FAILED', { image: text, cause }, { cause: error })
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

/** Only for the registry that it is of: whatever else an image's name leads to gets nothing. */
export function engineLogin(
  image: string,
  login: RegistryLogin | undefined
): EngineLogin | undefined {
  if (login === undefined || registryOf(image) !== login.registry) return undefined
  const { user: username, password, registry: serveraddress } = login
  return { username, password, serveraddress }
}

export function unavailable(image: string, cause: string, error?: unknown): MeshError {
  return new MeshError('IMAGE_UNAVAILABLE', { image, cause }, { cause: error })
}

/** Another host may have one that suits: it runs another platform, or has the image already. */
function lacking(
  { text: image, platform }: Pick<Wanted, 'text' | 'platform'>,
  platforms: string,
  error?: unknown
): MeshError {
  return new MeshError('IMAGE_PLATFORM_LACKING', { image, platform, platforms }, { cause: error })
}
