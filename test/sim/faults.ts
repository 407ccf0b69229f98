import type { Backup } from './disk.ts'
import type { Network } from './network.ts'
import type { SimNode } from './node.ts'
import type { FaultKind, WorldOptions } from './options.ts'
import type { Scene } from './scene.ts'

export interface FaultParts {
  readonly scene: Scene
  readonly network: Network
  readonly nodes: readonly SimNode[]
  readonly options: WorldOptions
}

/** Milliseconds that a process stays away after a crash, at least and at most. */
const AWAY_MS = [50, 6_000] as const
/** Old enough that other witnesses have seen more of the store since. */
const BACKUP_AGE_MS_MIN = 4_000
/** Milliseconds without new trouble after a store was set back. */
const QUIET_MS = 1_500

/**
 * Makes trouble as the seed has it. Of the stores of a run only a minority is ever ruined, and
 * some agent stays: more than that no protocol survives.
 */
export class Trouble {
  readonly #parts: FaultParts
  #ruined = 0
  #backup: { readonly node: SimNode; readonly copy: Backup; readonly atMs: number } | undefined
  #isOver = false
  #quietUntilMs = 0

  constructor(parts: FaultParts) {
    this.#parts = parts
  }

  /** From now on until the trouble is over. */
  start(): void {
    const { scene, options } = this.#parts
    const { kinds, everyMsMax } = options.faults
    if (kinds.length === 0) return
    const next = (): void => {
      if (this.#isOver) return
      if (scene.timeline.nowMs >= this.#quietUntilMs) this.#strike(this.#pick(kinds))
      scene.timeline.after(scene.timeline.random() * everyMsMax, next)
    }
    scene.timeline.after(scene.timeline.random() * everyMsMax, next)
  }

  /** All that can be mended is. */
  heal(): void {
    this.#isOver = true
    const { nodes, network, scene } = this.#parts
    network.heal()
    network.options = { lossRate: 0, duplicateRate: 0, delayMsMax: 5, strayMsMax: 5 }
    network.gossipLossRate = 0
    for (const node of nodes) {
      node.disk.syncMsMax = 5
      node.disk.failsNext = false
      node.host.hungUntilMs = 0
      node.host.callMsMax = 60
      node.process.pausedUntilMs = Math.min(node.process.pausedUntilMs, scene.timeline.nowMs)
      if (node.disk.isRuined) node.replaceDisk(scene)
      node.start()
    }
  }

  #strike(kind: FaultKind): void {
    const node = this.#pick(this.#parts.nodes)
    const { scene } = this.#parts
    scene.emit({ kind: 'fault', what: kind, whom: node.peerId })
    this.#strikes[kind](node)
  }

  readonly #strikes: Readonly<Record<FaultKind, (node: SimNode) => void>> = {
    crash: (node) => this.#crash(node),
    pause: (node) => node.process.pause(this.#between(100, 9_000)),
    cut: (node) => {
      const other = this.#pick(this.#parts.nodes)
      this.#parts.network.cut(node.peerId, other.peerId)
      this.#mend(8_000)
    },
    partition: () => this.#partition(),
    swizzle: () => this.#swizzle(),
    clog: (node) => {
      const { network, scene, nodes } = this.#parts
      const untilMs = scene.timeline.nowMs + this.#between(200, 5_000)
      network.clog(node.peerId, this.#pick(nodes).peerId, untilMs)
    },
    slow_disk: (node) => {
      node.disk.syncMsMax = this.#between(200, 4_000)
      this.#later(6_000, () => {
        node.disk.syncMsMax = this.#parts.options.faults.syncMsMax
      })
    },
    // Full or broken: the process ends, and stays away until there is room again.
    failed_sync: (node) => {
      node.disk.failsNext = true
      this.#later(8_000, () => node.start())
    },
    ruined_store: (node) => this.#ruin(node),
    rolled_back: (node) => this.#rollBack(node),
    slow_engine: (node) => {
      node.host.callMsMax = this.#between(500, 4_000)
      this.#later(8_000, () => {
        node.host.callMsMax = 60
      })
    },
    hung_engine: (node) => {
      node.host.hungUntilMs = this.#parts.scene.timeline.nowMs + this.#between(500, 12_000)
    },
    killed_containers: (node) => node.host.killAll(),
    power_loss: () => {
      for (const node of this.#parts.nodes) this.#crash(node)
    },
    gone: (node) => {
      const left = this.#parts.nodes.filter((one) => one.agent !== undefined && !one.isGone)
      if (node.agent === undefined || node.witness !== undefined || left.length < 2) return
      node.isGone = true
      node.process.crash()
    }
  }

  #crash(node: SimNode): void {
    node.process.crash()
    this.#later(this.#between(...AWAY_MS), () => {
      node.start()
    })
  }

  /** One agent loses one witness after the other, each for longer than a take-over takes. */
  #swizzle(): void {
    const { nodes, network, scene } = this.#parts
    const agents = nodes.filter(({ agent }) => (agent?.holders.size ?? 0) > 0)
    if (agents.length === 0) return
    const agent = this.#pick(agents)
    const witnesses = nodes.filter((one) => one.witness !== undefined && one !== agent)
    const stepMs = scene.profile.takeOverMs + 2 * scene.profile.renewEveryMs
    witnesses.forEach(({ peerId }, index) => {
      this.#later(index * stepMs, () => {
        network.heal()
        network.cut(agent.peerId, peerId)
      })
    })
    this.#later(witnesses.length * stepMs, () => network.heal())
  }

  #partition(): void {
    const { nodes, network } = this.#parts
    const here = nodes.filter(() => this.#parts.scene.timeline.random() < 0.5)
    for (const one of here) {
      for (const other of nodes) {
        if (here.includes(other)) continue
        network.cut(one.peerId, other.peerId)
        network.cut(other.peerId, one.peerId)
      }
    }
    this.#mend(7_000)
  }

  /** What is on the disk is lost or wrong, and whoever opens it sees that: it is no witness now. */
  #ruin(node: SimNode): void {
    const { scene, options } = this.#parts
    const isWitness = node.witness !== undefined && !node.disk.isRuined
    if (isWitness && this.#ruined >= Math.floor((options.witnesses - 1) / 2)) return
    // An inbox that is lost takes answered deliveries with it: a gateway has one disk.
    if (node.gateway !== undefined) return
    if (isWitness) this.#ruined += 1
    node.process.crash()
    scene.emit({ kind: 'damaged', store: node.disk.storeId })
    node.disk.isRuined = true
    this.#enrolAnew(node)
  }

  /** An old copy that opens without a doubt: only others can tell. */
  #rollBack(node: SimNode): void {
    const { scene, options, nodes } = this.#parts
    if (node.witness?.isWhole !== true || node.gateway !== undefined) return
    const backup = this.#backup
    const { nowMs } = scene.timeline
    if (backup === undefined || backup.node.disk.isRuined) {
      this.#backup = { node, copy: node.disk.backup(), atMs: nowMs }
      return
    }
    if (nowMs - backup.atMs < BACKUP_AGE_MS_MIN) return
    if (this.#ruined >= Math.floor((options.witnesses - 1) / 2)) return
    const { storeId } = backup.node.disk
    const remembers = nodes.some((one) => {
      const isOther = one !== backup.node && one.witness?.isWhole === true && one.process.isAlive
      const isAwake = one.process.pausedUntilMs <= nowMs
      return isOther && isAwake && one.client.seen.of(backup.node.peerId, storeId) > backup.copy.seq
    })
    // Without anybody who remembers it is not noticed, as docs/protocol.md says.
    if (!remembers) return
    this.#ruined += 1
    this.#backup = undefined
    backup.node.process.crash()
    scene.emit({ kind: 'damaged', store: storeId })
    backup.node.disk.restore(backup.copy)
    // Those that are to be asked must have a moment for it.
    this.#quietUntilMs = nowMs + QUIET_MS
    backup.node.process.start()
    this.#enrolAnew(backup.node)
  }

  /** Somebody has to do it, which takes longer than any lease. */
  #enrolAnew(node: SimNode): void {
    const { scene } = this.#parts
    this.#later(scene.profile.takeOverMs + 1_000, () => {
      node.process.crash()
      node.replaceDisk(scene)
      node.start()
    })
  }

  #mend(ms: number): void {
    this.#later(this.#between(200, ms), () => this.#parts.network.heal())
  }

  #later(ms: number, task: () => void): void {
    this.#parts.scene.timeline.after(ms, () => {
      if (!this.#isOver) task()
    })
  }

  #between(least: number, most: number): number {
    return this.#parts.scene.timeline.between(least, most)
  }

  #pick<T>(list: readonly T[]): T {
    const one = list[Math.floor(this.#parts.scene.timeline.random() * list.length)]
    if (one === undefined) throw new Error('nothing to pick from')
    return one
  }
}
