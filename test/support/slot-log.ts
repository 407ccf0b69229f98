import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { LogService } from '../../gateway/logs/log-service.ts'
import { LogMaskers } from '../../gateway/secrets/log-maskers.ts'
import { SecretStore } from '../../gateway/secrets/secret-store.ts'
import { LOG_PAGE_LINES_MAX } from '../../protocol/core/limits.ts'
import { createLog, silentLog } from '../../protocol/host/log.ts'
import { LogStore } from '../../protocol/store/log-store.ts'
import type { LogReply } from '../../protocol/wire/log-codec.ts'
import { keyFileOf, type SlotGateway, type SlotMesh } from './provision-rig.ts'

/** How one gateway process takes the lines of slots: its real maskers, and files. */
export class SlotLog {
  /** What its log says of lines that it refuses. */
  readonly said: { readonly code: string; readonly cause: string }[] = []
  readonly #world: SlotMesh
  readonly #service: LogService
  readonly #store: LogStore

  constructor(world: SlotMesh, gateway: SlotGateway) {
    this.#world = world
    const { dir, key } = gateway.store
    const files = { file: join(dir, 'secrets.json'), keyFile: keyFileOf(gateway.store) }
    const stream = { write: (text: string) => void this.said.push(JSON.parse(text)) }
    const maskers = new LogMaskers({
      store: new SecretStore(files),
      sealedOf: (runId) => {
        const sealed = world.board.run(runId)?.sealed
        return sealed?.announcement.gateway === key.peerId ? sealed : undefined
      },
      hiddenOf: gateway.room.hiddenOf,
      log: createLog({ name: 'gateway', level: 'warn', stream })
    })
    this.#store = new LogStore(join(dir, 'logs'), { durable: true })
    // Who may send them is another test's claim.
    const holders = { standing: async () => 'holder' as const }
    this.#service = new LogService({ store: this.#store, holders, maskers, log: silentLog() })
    onTestFinished(() => this.#store.close())
  }

  /** As an agent sends them that masks nothing. */
  async push(slot: string, firstLine: number, texts: readonly string[]): Promise<LogReply> {
    const epoch = this.#world.epochOf(slot)
    const lines = texts.map((text, index) => {
      return { number: firstLine + index, atMs: 0, step: 1, stream: 'out' as const, text }
    })
    return await this.#service.answer('agent-1', {
      ...{ kind: 'push', job: slot, epoch, firstLine, lines, end: false }
    })
  }

  async kept(slot: string): Promise<readonly string[]> {
    const read = await this.#store.read(slot, undefined, 1, LOG_PAGE_LINES_MAX)
    return read.kind === 'page' ? read.lines.map(({ text }) => text) : []
  }
}
