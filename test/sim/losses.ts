import type { SimNode } from './node.ts'
import type { WorldOptions } from './options.ts'
import type { Scene } from './scene.ts'

/** Counts the lost stores: only a minority of those of a run, more no protocol survives. */
export class StoreLosses {
  readonly #scene: Scene
  readonly #most: number
  #lost = 0

  constructor(scene: Scene, { witnesses }: WorldOptions) {
    this.#scene = scene
    this.#most = Math.floor((witnesses - 1) / 2)
  }

  get isOver(): boolean {
    return this.#lost >= this.#most
  }

  /** An inbox that is lost takes answered deliveries with it: a gateway has one disk. */
  mayLose(node: SimNode): boolean {
    return node.gateway === undefined && (!this.isNeeded(node) || !this.isOver)
  }

  /** Its store has registers of some witness epoch. */
  isNeeded({ disk }: SimNode): boolean {
    return this.#scene.authority.hasSeated(disk.storeId) && !disk.isRuined
  }

  note(node: SimNode): void {
    if (this.isNeeded(node)) this.add()
  }

  add(): void {
    this.#lost += 1
  }
}
