import { floorIn } from '../../protocol/core/floor.ts'
import type { Announcement } from '../../protocol/core/run.ts'
import type { Disk } from './disk.ts'
import type { SimProcess } from './process.ts'
import type { Scene } from './scene.ts'

interface FloorParts {
  readonly scene: Scene
  readonly process: SimProcess
  readonly disk: () => Disk
}

/** What each gateway says of its own runs; counts once it is on the disk (4.12.5, D4). */
export class SimFloors {
  readonly #parts: FloorParts
  #synced = new Map<string, number>()
  #heard = new Map<string, number>()

  constructor(parts: FloorParts) {
    this.#parts = parts
    const { process, disk } = parts
    process.onStart(() => {
      const rows = disk().keys('f/')
      this.#synced = new Map(rows.map((key) => [key.slice(2), disk().read(key) as number]))
      this.#heard = new Map()
    })
  }

  of(gateway: string): number {
    return this.#synced.get(gateway) ?? 0
  }

  hear(announcement: Announcement): void {
    const { scene, process, disk } = this.#parts
    const { gateway } = announcement
    const gwSeq = floorIn(announcement)
    if (gwSeq <= Math.max(this.of(gateway), this.#heard.get(gateway) ?? 0)) return
    this.#heard.set(gateway, gwSeq)
    const { boot } = process
    const { storeId: store } = disk()
    disk().whenSynced(disk().put(`f/${gateway}`, gwSeq), () => {
      process.run(boot, () => {
        this.#synced.set(gateway, Math.max(gwSeq, this.of(gateway)))
        scene.emit({ kind: 'floor', store, gateway, gwSeq })
      })
    })
  }
}
