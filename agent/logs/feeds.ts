import { FEEDS_MAX } from '../../protocol/core/limits.ts'
import { Feed, type FeedOptions, type FeedParts } from './feed.ts'

/** All feeds of an agent; those of ended jobs go on until the gateway has everything. */
export class Feeds {
  readonly #parts: FeedParts
  readonly #feeds = new Map<string, Feed>()

  constructor(parts: FeedParts) {
    this.#parts = parts
  }

  get size(): number {
    return this.#feeds.size
  }

  open(options: FeedOptions): Feed {
    const key = `${options.job}@${options.epoch}`
    const known = this.#feeds.get(key)
    if (known !== undefined) return known
    this.#makeRoom()
    const feed = new Feed(this.#parts, options)
    this.#feeds.set(key, feed)
    void feed.finished().finally(() => this.#feeds.delete(key))
    return feed
  }

  /** Gives every feed a chance to finish, then ends them. */
  async stop(graceMs: number): Promise<void> {
    const feeds = [...this.#feeds.values()]
    await Promise.race([
      Promise.all(feeds.map((feed) => feed.finished())),
      new Promise<void>((resolve) => this.#parts.clock.arm(graceMs, resolve))
    ])
    await Promise.all(feeds.map((feed) => feed.stop()))
  }

  /** A gateway that is away for days must not gather feeds without end; readers ask us then. */
  #makeRoom(): void {
    if (this.#feeds.size < FEEDS_MAX) return
    const [oldest] = this.#feeds.values()
    void oldest?.stop()
  }
}
