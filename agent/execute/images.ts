import { codeOf, MeshError } from '../../protocol/core/errors.ts'
import { IMAGE_PULL_TRIES_MAX } from '../../protocol/core/image-limits.ts'
import { runsOn } from '../../protocol/core/platform.ts'
import { type RegistryLogin, registryOf } from '../../protocol/core/registry-login.ts'
import { type Engine, isStatus } from './engine.ts'
import type { LocalImage } from './engine-types.ts'
import { hasOwnersName, isCalled, isPulledName, pulledBy, pulledTag } from './image-names.ts'
import { type ImageReference, parseImage } from './image-reference.ts'
import { pullImage, type Resolved, resolveImage, unavailable, type Wanted } from './image-source.ts'
import { orAbort } from './or-abort.ts'
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
  /** Of the job, for the image's registry; the host owner's, if any, where it is undefined. */
  readonly login?: RegistryLogin | undefined
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
  /** The host owner's, by the hosts of their registries; for jobs without one of their own. */
  readonly logins?: ReadonlyMap<string, RegistryLogin>
}

/** The images that jobs run in: those of this host, and what its registries have. */
export class Images {
  readonly #parts: ImagesParts
  readonly #options: ImagesOptions
  /** By name: the last pull. Two at a time would move the digest of one index to and fro. */
  readonly #pulls = new Map<string, Promise<unknown>>()
  /** Ids of images by the claims of the attempts that have them. */
  readonly #held = new Map<string, Set<string>>()
  /** Images that are being removed, by their ids. */
  readonly #dropping = new Map<string, Promise<unknown>>()
  /** What this process fetches now, as `name@digest`. */
  readonly #fetching = new Set<string>()
  #knowsNames = false

  constructor(parts: ImagesParts, options: ImagesOptions) {
    this.#parts = parts
    this.#options = options
  }

  /** Names of what was pulled for jobs and is here, the latest first. */
  get names(): readonly string[] {
    return this.#parts.pulled.names
  }

  /**
   * The image to run the job in, to be named by its id from here on: whatever its tag stands for
   * later. Throws IMAGE_UNAVAILABLE where there is no such image, IMAGE_PLATFORM_LACKING where
   * there is none for the platform, IMAGE_PULL_FAILED where it cannot be had now, and
   * IMAGE_PULL_FORBIDDEN where the owner says so.
   */
  async ensure(request: ImageRequest): Promise<LocalImage> {
    const { reference: text, platform, signal, say } = request
    const reference = parseImage(text)
    if (reference === undefined) {
      throw unavailable(text, 'this is no image name: write it as registry/name:tag')
    }
    if (isPulledName(reference.name)) {
      throw unavailable(text, 'such names are the agent’s own: write the one that it was pulled by')
    }
    const loaded = await this.#loaded(text, reference)
    const fits = loaded !== undefined && runsOn(loaded.platform, platform)
    const elsewise = fits ? undefined : loaded?.platform
    const login = request.login ?? this.#options.logins?.get(registryOf(reference.name))
    const wanted = { text, reference, platform, signal, elsewise, login }
    if (this.#options.pull !== 'always') {
      const isOwners = fits && (await this.#isOwners(loaded, wanted))
      const here = isOwners ? loaded : await this.#allowed(wanted, request)
      if (here !== undefined) return here
    }
    if (this.#options.pull === 'never') throw new MeshError('IMAGE_PULL_FORBIDDEN', { image: text })
    signal.throwIfAborted()
    say(`pulling image ${text}`)
    return await this.#inTurn(reference.name, signal, () => this.#pull(wanted, request))
  }

  /** What there is by that name on this host already, for `os/arch[/variant]` each. */
  async hereFor(text: string): Promise<readonly string[]> {
    const reference = parseImage(text)
    // Where the tag may have moved, what is here says nothing of what is fetched.
    if (reference === undefined || this.#options.pull === 'always') return []
    const loaded = await this.#loaded(text, reference)
    return [...this.#parts.pulled.platformsOf(text), ...(loaded ? [loaded.platform] : [])]
  }

  /** The attempt has ended. */
  release(claimId: string): void {
    this.#held.delete(claimId)
  }

  /**
   * Removes an image that this agent has pulled. False where it is in use, by an attempt that may
   * not have its container yet or by any container, and where somebody else has named or pulled it:
   * then it is theirs from here on.
   */
  async drop(imageId: string): Promise<boolean> {
    if ([...this.#held.values()].some((ids) => ids.has(imageId))) return false
    // Before anything is waited for: whoever holds it from now on looks once this is over.
    const dropping = this.#drop(imageId)
    this.#dropping.set(imageId, dropping)
    try {
      return await dropping
    } finally {
      this.#dropping.delete(imageId)
    }
  }

  /**
   * Removes what processes before this one pulled and have not written down: a killed one leaves an
   * image that nobody knows.
   */
  async tidy(): Promise<void> {
    const { engine, pulled } = this.#parts
    for (const exact of pulled.fetching) {
      if (this.#fetching.has(exact)) continue
      if (await this.#unnamed(exact)) await pulled.end(exact, undefined)
    }
    if (this.#knowsNames || this.#fetching.size > 0) return
    const known = new Set(pulled.all.map(({ imageId }) => this.#nameOf(imageId).join(':')))
    const names = await engine.tagsIn(pulledBy(this.#options.owner))
    // One that was fetched meanwhile may have its name and not its record yet.
    if (this.#fetching.size > 0) return
    for (const name of names) if (!known.has(name)) await this.#unnamed(name)
    this.#knowsNames = true
  }

  /** Takes the name away, and the image with the last one. False where a container has it. */
  async #unnamed(name: string): Promise<boolean> {
    try {
      await this.#parts.engine.removeImage(name, false)
      return true
    } catch (error) {
      if (isStatus(error, 409)) return false
      throw error
    }
  }

  async #drop(imageId: string): Promise<boolean> {
    const { engine, pulled } = this.#parts
    if (!(await this.#unnamed(this.#nameOf(imageId).join(':')))) return false
    await pulled.forget(imageId)
    return (await engine.image(imageId)) === undefined
  }

  /** What the host's owner has put here by that name. */
  async #loaded(text: string, { name, tag }: ImageReference): Promise<LocalImage | undefined> {
    // Just now it has that name only because it is being fetched, with somebody's login perhaps.
    if (this.#parts.pulled.isFetching(`${name}@${tag}`)) return undefined
    const found = await this.#parts.engine.image(text)
    return found !== undefined && isCalled(found, text) ? found : undefined
  }

  /**
   * False for what has no name but its digest, and which the registry does not give to this job: an
   * agent beside this one may be fetching it with somebody's login. An owner who lets nothing be
   * pulled has put it there.
   */
  async #isOwners(loaded: LocalImage, wanted: Wanted): Promise<boolean> {
    if (hasOwnersName(loaded) || this.#options.pull === 'never') return true
    try {
      await resolveImage(this.#parts.engine, wanted)
      return true
    } catch (error) {
      if (isAbsent(error)) return false
      throw error
    }
  }

  /** What this agent has pulled; where that took a login, if the registry gives it to this job. */
  async #allowed(wanted: Wanted, request: ImageRequest): Promise<LocalImage | undefined> {
    const { engine, pulled } = this.#parts
    const known = pulled.find(wanted.text, wanted.platform)
    if (known?.guarded === true) {
      try {
        await resolveImage(engine, wanted, known.digest)
      } catch (error) {
        // Gone there, it may have a successor under its tag, which says whether this job may.
        if (isAbsent(error)) return undefined
        throw error
      }
    }
    return await this.#pulled(request)
  }

  /** One that this agent has pulled for that name, of `digest` where that is given. */
  async #pulled(request: ImageRequest, digest?: string): Promise<LocalImage | undefined> {
    const { pulled } = this.#parts
    const { reference, platform, say } = request
    const known = pulled.find(reference, platform)
    if (known === undefined || (digest !== undefined && known.digest !== digest)) return undefined
    const found = await this.#hold(request.claimId, known.imageId)
    if (found === undefined) return undefined
    say(`image ${reference} is ${known.digest} for ${found.platform}`)
    await pulled.used(reference, platform)
    return found
  }

  /** The image, which no sweep takes away from here on; undefined where it is gone. */
  async #hold(claimId: string, imageId: string): Promise<LocalImage | undefined> {
    const ids = this.#held.get(claimId) ?? new Set()
    this.#held.set(claimId, ids.add(imageId))
    // Begun before this: what is seen then is not taken away between that and the container.
    await this.#dropping.get(imageId)?.catch(() => undefined)
    return await this.#parts.engine.image(imageId)
  }

  async #pull(wanted: Wanted, request: ImageRequest): Promise<LocalImage> {
    const { engine } = this.#parts
    const { text, reference } = wanted
    const resolved = await resolveImage(engine, wanted)
    const { digest } = resolved
    const known = await this.#pulled(request, digest)
    if (known !== undefined) return known
    const exact = `${reference.name}@${digest}`
    this.#fetching.add(exact)
    try {
      for (let tries = 1; ; tries += 1) {
        const image = await this.#fetch(wanted, request.claimId, resolved, exact)
        if (image !== undefined) {
          request.say(`image ${text} is ${digest} for ${image.platform}`)
          return image
        }
        if (tries < IMAGE_PULL_TRIES_MAX) continue
        const cause = 'somebody on this host removes it as soon as it is here'
        throw new MeshError('IMAGE_PULL_FAILED', { image: text, cause })
      }
    } finally {
      this.#fetching.delete(exact)
    }
  }

  /**
   * Pulls, and gives what came a name of our own in place of its digest: an engine may take one
   * platform only for the digest of an index, and refuses the next one. Undefined where it was
   * removed again meanwhile.
   */
  async #fetch(
    wanted: Wanted,
    claimId: string,
    resolved: Resolved,
    exact: string
  ): Promise<LocalImage | undefined> {
    const { engine, pulled } = this.#parts
    const { text, platform, login } = wanted
    // Left by a process that was killed in the middle of this: it would stand in the way.
    if (pulled.isFetching(exact)) await engine.removeImage(exact, false)
    const found = await engine.image(exact)
    // What was here before keeps that name: somebody else's, who may be in the middle of this.
    const isTheirs = found !== undefined && runsOn(found.platform, platform)
    if (!isTheirs) await pulled.begin(exact)
    const image = isTheirs ? found : await pullImage(engine, wanted, resolved)
    const isOurs = !hasOwnersName(image)
    const isHere = await this.#named(claimId, image.id, isOurs)
    if (!isTheirs) await engine.removeImage(exact, false)
    const record = { reference: text, platform, digest: resolved.digest, imageId: image.id }
    const guarded = login === undefined ? {} : { guarded: true }
    await pulled.end(exact, isOurs && isHere ? { ...record, ...guarded } : undefined)
    return isHere ? image : undefined
  }

  /** Holds it, and names it where it is ours. False where it is gone. */
  async #named(claimId: string, imageId: string, isOurs: boolean): Promise<boolean> {
    if ((await this.#hold(claimId, imageId)) === undefined) return false
    if (!isOurs) return true
    try {
      await this.#parts.engine.tag(imageId, ...this.#nameOf(imageId))
      return true
    } catch (error) {
      if (isStatus(error, 404)) return false
      throw error
    }
  }

  #nameOf(imageId: string): readonly [repository: string, tag: string] {
    return [pulledBy(this.#options.owner), pulledTag(imageId)]
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

/** True where a registry has said that there is no such image, or none for the platform. */
function isAbsent(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'IMAGE_UNAVAILABLE' || code === 'IMAGE_PLATFORM_LACKING'
}
