import type { Platform } from '../../protocol/core/advertisement.ts'
import {
  IMAGE_LOOK_AGAIN_MS,
  IMAGE_LOOK_AGE_MS_MAX,
  IMAGE_LOOK_MS_MAX,
  IMAGE_LOOKS_AT_ONCE_MAX,
  IMAGE_LOOKS_MAX,
  IMAGE_PLATFORMS_MAX
} from '../../protocol/core/image-limits.ts'
import { type ImagePlatforms, imagesOf, isThereFor } from '../../protocol/core/images-lacking.ts'
import { parsePlatform } from '../../protocol/core/platform.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import { type RegistryLogin, registryOf } from '../../protocol/core/registry-login.ts'
import { codeFor } from '../../protocol/core/requirements.ts'
import type { JobSpec } from '../../protocol/core/run.ts'
import type { Engine } from './engine.ts'
import { type ImageReference, parseImage } from './image-reference.ts'
import { engineLogin } from './image-source.ts'
import type { Images, PullPolicy } from './images.ts'
import { orAbort } from './or-abort.ts'

export interface ImageLooksParts {
  readonly engine: Pick<Engine, 'distribution'>
  readonly images: Pick<Images, 'hereFor'>
  readonly clock: Clock
}

export interface ImageLooksOptions {
  readonly pull: PullPolicy
  /** The host owner's, by the hosts of their registries. */
  readonly logins: ReadonlyMap<string, RegistryLogin>
}

/** What a job's images are found by. */
export type Looked = Pick<JobSpec, 'image' | 'services' | 'platform' | 'secrets'>

interface Known {
  /** With those that are here already; undefined where nobody has said. */
  readonly platforms: readonly string[] | undefined
  /** True once some job could not have it here for its platform. */
  readonly lacks: boolean
  /** Boot clock, milliseconds. */
  readonly untilMs: number
}

/**
 * What the images of jobs are there for, asked before a claim: a host that could not have a job's
 * image must leave the job to others, and say why. One question an image, whose answer counts for
 * IMAGE_LOOK_AGE_MS_MAX. What is not known is not lacking: of an image that only the job's own
 * login shows, of a registry that does not answer or says nothing of platforms, and where the owner
 * lets nothing be pulled, the attempt itself finds out.
 */
export class ImageLooks {
  readonly #parts: ImageLooksParts
  readonly #options: ImageLooksOptions
  /** By the names that jobs use, the oldest answer first. */
  readonly #known = new Map<string, Known>()
  readonly #asking = new Map<string, Promise<void>>()
  readonly #listeners: (() => void)[] = []
  #disarm: () => void = () => undefined

  constructor(parts: ImageLooksParts, options: ImageLooksOptions) {
    this.#parts = parts
    this.#options = options
  }

  /** Images that some job could not have here, the latest last. */
  get lacking(): readonly ImagePlatforms[] {
    const nowMs = this.#parts.clock.bootMs()
    return [...this.#known].flatMap(([image, { platforms, lacks, untilMs }]) => {
      return lacks && platforms !== undefined && untilMs > nowMs ? [{ image, platforms }] : []
    })
  }

  /** Told when there is more, or less, that this host lacks. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }

  stop(): void {
    this.#disarm()
  }

  /**
   * Resolves once it is known what the job's images are there for, as far as that can be known; at
   * the latest after IMAGE_LOOK_MS_MAX, or at `signal`. `platforms` are this host's. Never rejects.
   */
  async learn(spec: Looked, platforms: readonly Platform[], signal: AbortSignal): Promise<void> {
    const platform = codeFor(spec, platforms)
    if (platform === undefined || this.#options.pull === 'never') return
    const looks = imagesOf(spec).map((image) => this.#look(image, platform, spec.secrets ?? []))
    await orAbort(Promise.all(looks), signal).catch(() => undefined)
  }

  async #look(
    image: string,
    platform: string,
    secrets: NonNullable<JobSpec['secrets']>
  ): Promise<void> {
    const reference = parseImage(image)
    // Such a name is an error of the job's, which its attempt tells.
    if (reference === undefined) return
    const registry = registryOf(reference.name)
    // Its gateway gives that login to who holds the job alone.
    if (secrets.some((secret) => secret.registry === registry)) return
    const here = await this.#here(image)
    if (!this.#isFresh(image) && !isThereFor(platform, here)) {
      await (this.#asking.get(image) ?? this.#ask(image, reference))
    }
    this.#judge(image, platform, here)
  }

  async #here(image: string): Promise<readonly string[]> {
    const signal = AbortSignal.timeout(IMAGE_LOOK_MS_MAX)
    return await orAbort(this.#parts.images.hereFor(image), signal).catch(() => [])
  }

  #isFresh(image: string): boolean {
    const known = this.#known.get(image)
    return known !== undefined && known.untilMs > this.#parts.clock.bootMs()
  }

  async #ask(image: string, reference: ImageReference): Promise<void> {
    // A registry that hangs must not hold up the claims of all other jobs one after the other.
    if (this.#asking.size >= IMAGE_LOOKS_AT_ONCE_MAX) return
    const asking = this.#answer(reference).then((platforms) => {
      const ageMs = platforms === undefined ? IMAGE_LOOK_AGAIN_MS : IMAGE_LOOK_AGE_MS_MAX
      this.#keep(image, { platforms, lacks: false, untilMs: this.#parts.clock.bootMs() + ageMs })
    })
    this.#asking.set(image, asking)
    await asking.finally(() => this.#asking.delete(image))
  }

  async #answer({ name, tag }: ImageReference): Promise<readonly string[] | undefined> {
    const signal = AbortSignal.timeout(IMAGE_LOOK_MS_MAX)
    const login = engineLogin(name, this.#options.logins.get(registryOf(name)))
    try {
      const { platforms } = await this.#parts.engine.distribution(name, tag, { signal, login })
      return tellable(platforms)
    } catch {
      // Who cannot say now may say it to the attempt, with the cause where it cannot.
      return undefined
    }
  }

  #keep(image: string, known: Known): void {
    this.#known.delete(image)
    this.#known.set(image, known)
    const [oldest] = this.#known.keys()
    if (this.#known.size > IMAGE_LOOKS_MAX && oldest !== undefined) this.#known.delete(oldest)
  }

  #judge(image: string, platform: string, here: readonly string[]): void {
    const known = this.#known.get(image)
    if (known?.platforms === undefined) return
    const platforms = tellable([...known.platforms, ...here])
    const lacks = platforms !== undefined && (known.lacks || !isThereFor(platform, platforms))
    this.#known.set(image, { ...known, platforms, lacks })
    const isNews = lacks !== known.lacks || platforms?.length !== known.platforms.length
    if (isNews) this.#changed()
  }

  /** And once the first of them is too old: its jobs are looked at again then. */
  #changed(): void {
    const { clock } = this.#parts
    this.#disarm()
    const ends = [...this.#known.values()].flatMap((known) => (known.lacks ? known.untilMs : []))
    if (ends.length > 0) {
      const waitMs = Math.max(0, Math.min(...ends) - clock.bootMs())
      this.#disarm = clock.arm(waitMs, () => this.#drop())
    }
    for (const listener of this.#listeners) listener()
  }

  #drop(): void {
    for (const [image, { untilMs }] of this.#known) {
      if (untilMs <= this.#parts.clock.bootMs()) this.#known.delete(image)
    }
    this.#changed()
  }
}

/** Undefined where the answer says nothing, or more than could be told to others whole. */
function tellable(platforms: readonly string[]): readonly string[] | undefined {
  // Whoever builds images adds entries that are none, as `unknown/unknown`.
  const real = [...new Set(platforms)].filter((each) => {
    const parts = parsePlatform(each)
    return parts !== undefined && parts.arch !== 'unknown'
  })
  return real.length === 0 || real.length > IMAGE_PLATFORMS_MAX ? undefined : real
}
