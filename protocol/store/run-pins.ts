import type { StoreOp } from './database.ts'
import { pinKey } from './keys.ts'
import type { Reader } from './reader.ts'
import { sealJson } from './sealed-value.ts'

interface Pin {
  readonly witnessEpoch: number
  /** Absent where it is the same. */
  readonly first?: number | undefined
}

/** In which witness epoch each run of this gateway begins. */
export class RunPins {
  readonly #reader: Reader
  readonly #commit: (operations: readonly StoreOp[]) => Promise<void>
  readonly #running = new Map<string, Promise<number>>()

  constructor(reader: Reader, commit: (operations: readonly StoreOp[]) => Promise<void>) {
    this.#reader = reader
    this.#commit = commit
  }

  async epochOf(runId: string): Promise<number | undefined> {
    return (await this.#pinOf(runId))?.witnessEpoch
  }

  async firstEpochOf(runId: string): Promise<number | undefined> {
    const pin = await this.#pinOf(runId)
    return pin?.first ?? pin?.witnessEpoch
  }

  async pin(runId: string, witnessEpoch: number): Promise<number> {
    const running = this.#running.get(runId)
    if (running !== undefined) return await running
    const pin = this.#pin(runId, witnessEpoch).finally(() => this.#running.delete(runId))
    this.#running.set(runId, pin)
    return await pin
  }

  async repin(runId: string, witnessEpoch: number): Promise<void> {
    const first = (await this.firstEpochOf(runId)) ?? witnessEpoch
    await this.#put(runId, { witnessEpoch, first })
  }

  async #pin(runId: string, witnessEpoch: number): Promise<number> {
    const pinned = await this.epochOf(runId)
    if (pinned !== undefined) return pinned
    await this.#put(runId, { witnessEpoch })
    return witnessEpoch
  }

  #pinOf(runId: string): Promise<Pin | undefined> {
    return this.#reader.json<Pin>(pinKey(runId))
  }

  async #put(runId: string, pin: Pin): Promise<void> {
    const key = pinKey(runId)
    await this.#commit([{ type: 'put', key, value: sealJson(key, pin) }])
  }
}
