import { MeshError } from '../../protocol/core/errors.ts'
import { runsOn } from '../../protocol/core/platform.ts'
import { type Engine, isStatus } from './engine.ts'
import type { LocalImage } from './engine-types.ts'
import { parseImage } from './image-reference.ts'
import { pullImage, resolveImage, unavailable, type Wanted } from './image-source.ts'
import type { PulledImages } from './pulled-images.ts'

/**
 * When an image is pulled: `missing` where this host has none of that name for the platform,
 * `always` where the registry's tag has moved since, `never`. The host's owner says which.
 */
export type PullPolicy = 'missing' | 'always' | 'never'

export interface ImageRequest {
  readonly reference: string
  /** Of the attempt: it keeps what it gets until `release`. */
  readonly claimId: string
  /** What the job runs on; the image may be for an older variant of it. */
  readonly platform: string
  readonly signal: AbortSignal
  /** Tells the job's log what is waited for, and what came of it. */
  readonly say: (text: string) => void
}

export interface ImagesParts {
  readonly engine: Engine
  readonly pulled: PulledImages
}

export interface ImagesOptions {
  readonly pull: PullPolicy
  /** Lower-case letters and digits, of this agent alone. */
  readonly owner: string
}

/** Hex digits of an image's id in its name: two images with the same ones do not occur. */
const NAME_DIGITS = 24

/** The images that jobs run in: those of this host, and what its registries have. */
export class Images {
  readonly #parts: ImagesParts
  readonly #options: ImagesOptions
  /** By name: the last pull. Two at a time would move the digest of one index to and fro. */
  readonly #pulls = new Map<string, Promise<unknown>>()
  /** Ids of images by the claims of the attempts that have them. */
  readonly #held = new Map<string, ReadonlySet<string>>()

  constructor(parts: ImagesParts, options: ImagesOptions) {
    this.#parts = parts
    this.#options = options
  }

  /**
   * The image to run the job in, to be named by its id from here on: whatever its tag stands for
   * later. Throws IMAGE_UNAVAILABLE where there is no such image, IMAGE_PULL_FAILED where it cannot
   * be had now, IMAGE_PULL_FORBIDDEN where the owner says so.
   */
  async ensure(request: ImageRequest): Promise<LocalImage> {
    const { reference: text, platform, signal, say } = request
    const reference = parseImage(text)
    if (reference === undefined) {
      throw unavailable(text, 'this is no image name: write it as registry/name:tag')
    }
    const loaded = await this.#parts.engine.image(text)
    const fits = loaded !== undefined && runsOn(loaded.platform, platform)
    if (this.#options.pull !== 'always') {
      const here = fits ? loaded : await this.#pulled(request)
      if (here !== undefined) return here
    }
    if (this.#options.pull === 'never') throw new MeshError('IMAGE_PULL_FORBIDDEN', { image: text })
    signal.throwIfAborted()
    say(`pulling image ${text}`)
    const elsewise = fits ? undefined : loaded?.platform
    return await this.#inTurn(reference.name, signal, () =>
      this.#pull({ text, reference, platform, signal, elsewise }, request)
    )
  }

  /** The attempt has ended. */
  release(claimId: string): void {
    this.#held.delete(claimId)
  }

  /**
   * Removes an image that this agent has pulled. False where it is in use, by an attempt that may
   * not have its container yet or by any container, and where somebody else has named it: then it
   * is theirs from here on.
   */
  async drop(imageId: string): Promise<boolean> {
    const { engine, pulled } = this.#parts
    if ([...this.#held.values()].some((ids) => ids.has(imageId))) return false
    const name = this.#nameOf(imageId).join(':')
    const found = await engine.image(imageId)
    const isOurs = found === undefined || found.tags.every((each) => each === name)
    try {
      await engine.removeImage(name, false)
    } catch (error) {
      if (isStatus(error, 409)) return false
      throw error
    }
    await pulled.forget(imageId)
    return isOurs
  }

  /** One that this agent has pulled for that name, of `digest` where that is given. */
  async #pulled(request: ImageRequest, digest?: string): Promise<LocalImage | undefined> {
    const { engine, pulled } = this.#parts
    const { reference, platform, say } = request
    const known = pulled.find(reference, platform)
    if (known === undefined || (digest !== undefined && known.digest !== digest)) return undefined
    // Before the look: what is seen then is not taken away between that and the container.
    this.#hold(request.claimId, known.imageId)
    const found = await engine.image(known.imageId)
    if (found === undefined) return undefined
    say(`image ${reference} is ${known.digest} for ${found.platform}`)
    await pulled.used(reference, platform)
    return found
  }

  async #pull(wanted: Wanted, request: ImageRequest): Promise<LocalImage> {
    const { engine, pulled } = this.#parts
    const { text, reference, platform } = wanted
    const digest = await resolveImage(engine, wanted)
    const known = await this.#pulled(request, digest)
    if (known !== undefined) return known
    const exact = `${reference.name}@${digest}`
    // Left by a process that was killed in the middle of this: it would stand in the way.
    if (pulled.isFetching(exact)) await engine.removeImage(exact, false)
    const found = await engine.image(exact)
    // What was here before is somebody else's: never ours to remove.
    const isTheirs = found !== undefined && runsOn(found.platform, platform)
    const image = isTheirs ? found : await this.#fetch(wanted, request.claimId, digest, exact)
    this.#hold(request.claimId, image.id)
    request.say(`image ${text} is ${digest} for ${image.platform}`)
    return image
  }

  /**
   * Pulls, and gives what came a name of our own in place of its digest: an engine may take one
   * platform only for the digest of an index, and refuses the next one.
   */
  async #fetch(wanted: Wanted, claimId: string, digest: string, exact: string) {
    const { engine, pulled } = this.#parts
    const { text, platform } = wanted
    await pulled.begin(exact)
    const image = await pullImage(engine, wanted, digest)
    this.#hold(claimId, image.id)
    const [repo, tag] = this.#nameOf(image.id)
    const isOurs = image.tags.every((name) => name === `${repo}:${tag}`)
    if (isOurs) await engine.tag(image.id, repo, tag)
    await engine.removeImage(exact, false)
    const record = { reference: text, platform, digest, imageId: image.id }
    await pulled.end(exact, isOurs ? record : undefined)
    return image
  }

  #hold(claimId: string, imageId: string): void {
    this.#held.set(claimId, new Set([...(this.#held.get(claimId) ?? []), imageId]))
  }

  /** Of an image that this agent has pulled: agents that share an engine have each their own. */
  #nameOf(imageId: string): readonly [repo: string, tag: string] {
    const hex = imageId.replace(/^sha256:/, '')
    return [`runner-mesh-pulled/${this.#options.owner}`, hex.slice(0, NAME_DIGITS)]
  }

  async #inTurn<T>(name: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const before = this.#pulls.get(name) ?? Promise.resolve()
    const turn = before.then(() => {
      signal.throwIfAborted()
      return work()
    })
    const settled = turn.catch(() => undefined)
    this.#pulls.set(name, settled)
    void settled.then(() => {
      if (this.#pulls.get(name) === settled) this.#pulls.delete(name)
    })
    return await orAbort(turn, signal)
  }
}

/** Rejects with the signal's reason as soon as it aborts: whose turn it is may take long. */
async function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
