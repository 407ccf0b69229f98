import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { causeOf } from '../../protocol/core/errors.ts'
import { IMAGE_USE_GRAIN_MS, PULLED_IMAGES_MAX } from '../../protocol/core/image-limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import { hubFree } from '../../protocol/core/registry-login.ts'
import { writeDurable } from '../../protocol/host/durable-file.ts'
import type { Log } from '../../protocol/host/log.ts'

const pulledSchema = z.strictObject({
  /** Name and tag as jobs wrote them. */
  reference: z.string(),
  /** `os/arch[/variant]` that was asked for. */
  platform: z.string(),
  /** Of what the tag stood for then: an index, or one image's manifest. */
  digest: z.string(),
  imageId: z.string(),
  /** True where a login was needed, or shown: others must show that they may have it. */
  guarded: z.boolean().optional(),
  usedAtMs: z.number()
})
const fileSchema = z.strictObject({
  version: z.literal(1),
  images: z.array(pulledSchema),
  /** `name@digest` of pulls that nobody has seen the end of. */
  fetching: z.array(z.string())
})

/** An image that this agent pulled, and nobody else had put there. */
export type PulledImage = Readonly<z.output<typeof pulledSchema>>

export interface PulledImagesParts {
  readonly clock: Pick<Clock, 'wallMs'>
  readonly log: Log
}

/**
 * What this agent pulled, in a file: the engine is not told the names that jobs use, where each
 * would stand for one platform alone, and only what is in here is ever removed again.
 */
export class PulledImages {
  readonly #parts: PulledImagesParts
  readonly #path: string
  #images: readonly PulledImage[]
  #fetching: readonly string[]
  #writing: Promise<unknown> = Promise.resolve()

  private constructor(
    parts: PulledImagesParts,
    path: string,
    { images, fetching }: Omit<z.output<typeof fileSchema>, 'version'>
  ) {
    this.#parts = parts
    this.#path = path
    this.#images = images
    this.#fetching = fetching
  }

  /** A file that cannot be read counts as none: what it named stays until its owner removes it. */
  static async open(parts: PulledImagesParts, path: string): Promise<PulledImages> {
    try {
      const file = fileSchema.parse(JSON.parse(await readFile(path, 'utf8')))
      return new PulledImages(parts, path, file)
    } catch (error) {
      const isAbsent = error instanceof Error && 'code' in error && error.code === 'ENOENT'
      if (!isAbsent) parts.log.warn({ path, cause: causeOf(error) }, 'pulled images not known')
      return new PulledImages(parts, path, { images: [], fetching: [] })
    }
  }

  /** Each image once, by its latest use under any name; the least recently used first. */
  get all(): readonly PulledImage[] {
    const latest = new Map<string, PulledImage>()
    for (const image of this.#images.toSorted((a, b) => a.usedAtMs - b.usedAtMs)) {
      latest.delete(image.imageId)
      latest.set(image.imageId, image)
    }
    return [...latest.values()]
  }

  /** Names that jobs had, the latest first. */
  get names(): readonly string[] {
    const byUse = this.#images.toSorted((a, b) => b.usedAtMs - a.usedAtMs)
    return [...new Set(byUse.map(({ reference }) => reference))]
  }

  /** The one that was pulled last: what a tag stood for before stays known until it is removed. */
  find(reference: string, platform: string): PulledImage | undefined {
    return this.#images.findLast((one) => one.reference === reference && one.platform === platform)
  }

  /** What images of that name were pulled for. */
  platformsOf(reference: string): readonly string[] {
    return this.#images.flatMap((one) => (one.reference === reference ? [one.platform] : []))
  }

  /** All such pulls, as `name@digest`. */
  get fetching(): readonly string[] {
    return this.#fetching
  }

  /** True where a pull of `name@digest` was begun, by an earlier process perhaps, and not ended. */
  isFetching(exact: string): boolean {
    // By whatever name for the hub: its aliases would give away what somebody's login pulls.
    return this.#fetching.some((one) => hubFree(one) === hubFree(exact))
  }

  /** Written down before this resolves, and so before anything of it is in the engine. */
  async begin(exact: string): Promise<void> {
    const others = this.#fetching.filter((one) => one !== exact)
    this.#fetching = [...others.slice(-(PULLED_IMAGES_MAX - 1)), exact]
    await this.#write()
  }

  /** The pull has ended, with an image that is this agent's or without one. */
  async end(exact: string, image: Omit<PulledImage, 'usedAtMs'> | undefined): Promise<void> {
    this.#fetching = this.#fetching.filter((one) => one !== exact)
    await (image === undefined ? this.#write() : this.add(image))
  }

  /** Written down before this resolves. */
  async add(image: Omit<PulledImage, 'usedAtMs'>): Promise<void> {
    const isSame = (one: PulledImage): boolean =>
      one.reference === image.reference &&
      one.platform === image.platform &&
      one.imageId === image.imageId
    const others = this.#images.filter((one) => !isSame(one))
    // Each use puts its image last, so that the first was used longest ago.
    this.#images = [
      ...others.slice(-(PULLED_IMAGES_MAX - 1)),
      { ...image, usedAtMs: this.#parts.clock.wallMs() }
    ]
    await this.#write()
  }

  /** To the hour: a job must not wait for a disk because of what is only an order. */
  async used(reference: string, platform: string): Promise<void> {
    const found = this.find(reference, platform)
    const nowMs = this.#parts.clock.wallMs()
    if (found === undefined || nowMs - found.usedAtMs < IMAGE_USE_GRAIN_MS) return
    await this.add(found)
  }

  async forget(imageId: string): Promise<void> {
    this.#images = this.#images.filter((one) => one.imageId !== imageId)
    await this.#write()
  }

  async #write(): Promise<void> {
    const write = async (): Promise<void> => {
      // Of the moment of its writing: what is written last has everything.
      const text = JSON.stringify({ version: 1, images: this.#images, fetching: this.#fetching })
      await writeDurable(this.#path, text, 0o600)
    }
    const writing = this.#writing.then(write, write)
    this.#writing = writing
    await writing
  }
}
