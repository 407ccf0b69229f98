import { REDELIVERY_MARGIN_MS } from '../../protocol/core/roster-limits.ts'
import { witnessRefs } from '../../protocol/core/witnesses.ts'
import type { Timeline } from '../support/timeline.ts'
import { Absences } from './absences.ts'
import type { Backup, Disk } from './disk.ts'
import type { StoreLosses } from './losses.ts'
import type { Network } from './network.ts'
import type { SimNode } from './node.ts'
import type { FaultKind, WorldOptions } from './options.ts'
import { RosterChanges } from './roster-changes.ts'
import type { Scene } from './scene.ts'

export interface FaultParts {
  readonly scene: Scene
  readonly network: Network
  readonly nodes: readonly SimNode[]
  readonly options: WorldOptions
  readonly losses: StoreLosses
  /** For absences: what draws from it leaves all other faults as they were. */
  readonly absent: Pick<Timeline, 'random' | 'between'>
}

/** Milliseconds that a process stays away after a crash, at least and at most. */
const AWAY_MS = [50, 6_000] as const
/** Old enough that other witnesses have seen more of the store since. */
const BACKUP_AGE_MS_MIN = 4_000
/** Milliseconds that a process stays away which somebody, or something, starts again at once. */
const RESTART_MS = [20, 700] as const
const DAY_MS = 86_400_000
/** Milliseconds without new trouble after a store was set back. */
const QUIET_MS = 1_500

/**
 * Makes trouble as the seed has it. Of the stores of a run only a minority is ever ruined, and
 * some agent stays: more than that no protocol survives.
 */
export class Trouble {
  readonly #parts: FaultParts
  readonly #losses: StoreLosses
  readonly #rosters: RosterChanges
  readonly #absences: Absences
  #backup: { readonly node: SimNode; readonly copy: Backup; readonly atMs: number } | undefined
  #isOver = false
  #quietUntilMs = 0

  constructor(parts: FaultParts) {
    this.#parts = parts
    this.#rosters = new RosterChanges(parts, (list) => this.#pick(list))
    this.#losses = parts.losses
    this.#absences = new Absences({
      ...parts,
      rosters: this.#rosters,
      setBack: (node, copy) => this.#setBack(node, copy)
    })
  }

  /** From now on until the trouble is over. */
  start(): void {
    const { scene, options } = this.#parts
    const { kinds, everyMsMax } = options.faults
    if (options.absences) this.#absences.start()
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
    this.#absences.end()
    const { nodes, network, scene } = this.#parts
    network.heal()
    network.options = { lossRate: 0, duplicateRate: 0, delayMsMax: 5, strayMsMax: 5 }
    network.gossipLossRate = 0
    for (const node of nodes) {
      node.client.givingUp.rate = 0
      node.disk.syncMsMax = 5
      node.disk.failsNext = false
      node.disk.isFull = false
      node.host.hungUntilMs = 0
      node.host.callMsMax = 60
      node.process.wallOffsetMs = 0
      // A host that sleeps wakes by itself.
      node.process.resume(node.host.frozenUntilMs)
      if (node.disk.isRuined) node.replaceDisk(scene)
      node.start()
    }
  }

  #strike(kind: FaultKind): void {
    const node = this.#pick(this.#parts.nodes)
    const { scene } = this.#parts
    // What does nothing here is no fault: it would count as one that was survived.
    if (this.#strikes[kind](node) !== false) {
      scene.emit({ kind: 'fault', what: kind, whom: node.peerId })
    }
  }

  readonly #strikes: Readonly<Record<FaultKind, (node: SimNode) => boolean | undefined>> = {
    crash: (node) => this.#crash(node, AWAY_MS),
    restart: () => {
      const holders = this.#parts.nodes.filter(({ agent }) => (agent?.holders.size ?? 0) > 0)
      return holders.length > 0 && this.#crash(this.#pick(holders), RESTART_MS)
    },
    pause: (node) => this.#pause(node),
    suspend: (node) => this.#suspend(node, this.#between(500, 9_000)),
    hidden_pause: (node) => this.#hiddenPause(node),
    wall_jump: (node) => {
      // The window in which earlier epochs are sealed is by wall clocks that differ by less.
      const mostMs = node.gateway === undefined ? 5 * DAY_MS : REDELIVERY_MARGIN_MS / 3
      node.process.wallOffsetMs = this.#between(-mostMs, mostMs)
      return true
    },
    cut: (node) => this.#cut(node),
    partition: () => this.#partition(),
    roster_change: (node) => this.#rosters.replaceWitness(node),
    swizzle: () => this.#swizzle(),
    clog: (node) => this.#clog(node),
    slow_disk: (node) => {
      node.disk.syncMsMax = this.#between(200, 4_000)
      this.#later(6_000, () => {
        node.disk.syncMsMax = this.#parts.options.faults.syncMsMax
      })
      return true
    },
    // The process ends, and is started again.
    failed_sync: (node) => {
      node.disk.failsNext = true
      this.#later(8_000, () => node.start())
      return true
    },
    full_disk: (node) => this.#fill(node),
    bit_flip: (node) => this.#ruin(node, (disk) => disk.flipBit()),
    amnesia: (node) => this.#amnesia(node),
    rolled_back: (node) => this.#rollBack(node),
    slow_engine: ({ host }) => {
      host.callMsMax = this.#between(500, 4_000)
      this.#later(8_000, () => {
        host.callMsMax = 60
      })
      return true
    },
    hung_engine: ({ host }) => {
      host.hungUntilMs = this.#parts.scene.timeline.nowMs + this.#between(500, 12_000)
      return true
    },
    killed_containers: (node) => node.host.killAll(),
    power_loss: () => {
      for (const node of this.#parts.nodes) this.#crash(node, AWAY_MS)
      return true
    },
    gone: (node) => {
      const left = this.#parts.nodes.filter((one) => {
        return one.agent !== undefined && !one.isGone && !one.isAway
      })
      if (node.agent === undefined || this.#losses.isNeeded(node) || left.length < 2) return false
      node.isGone = true
      node.process.crash()
      return true
    }
  }

  #crash(node: SimNode, [least, most]: readonly [number, number]): boolean {
    const isAlive = node.process.isAlive
    node.process.crash()
    this.#later(this.#between(least, most), () => node.start())
    return isAlive
  }

  #pause({ process }: SimNode): boolean {
    process.pause(this.#between(100, 9_000))
    return process.isAlive
  }

  /** The lid of a host is shut: its containers stand still as well. */
  #suspend({ process, host, peerId }: SimNode, ms: number): boolean {
    const { scene } = this.#parts
    if (host.frozenUntilMs > scene.timeline.nowMs) return false
    const untilMs = scene.timeline.nowMs + ms
    process.pause(ms)
    host.frozenUntilMs = untilMs
    scene.emit({ kind: 'sleeps', host: peerId, untilMs })
    return true
  }

  /** A virtual machine that its hypervisor stops without telling: its boot clock stops, too. */
  #hiddenPause(node: SimNode): boolean {
    if (node.host.frozenUntilMs > this.#parts.scene.timeline.nowMs) return false
    const ms = this.#between(500, 9_000)
    this.#parts.scene.emit({ kind: 'lags', host: node.peerId })
    this.#suspend(node, ms)
    // Seen only when it wakes: till then nothing on it reads the clock.
    this.#parts.scene.timeline.after(ms, () => node.process.clock.lose(ms))
    return true
  }

  #cut(node: SimNode): boolean {
    const other = this.#pick(this.#parts.nodes)
    if (other === node) return false
    this.#parts.network.cut(node.peerId, other.peerId)
    this.#mend(8_000)
    return true
  }

  #clog(node: SimNode): boolean {
    const { network, scene, nodes } = this.#parts
    const other = this.#pick(nodes)
    if (other === node) return false
    const untilMs = scene.timeline.nowMs + this.#between(200, 5_000)
    network.clog(node.peerId, other.peerId, untilMs)
    return true
  }

  /** Each start ends with its first write, until somebody makes room. */
  #fill(node: SimNode): boolean {
    const { disk } = node
    if (disk.isFull) return false
    disk.isFull = true
    const again = (): void => {
      if (!disk.isFull) return
      node.start()
      this.#later(1_000, again)
    }
    this.#later(1_000, again)
    this.#later(this.#between(1_000, 8_000), () => {
      disk.isFull = false
      node.start()
    })
    return true
  }

  /** One agent loses one witness after the other, each for longer than a take-over takes. */
  #swizzle(): boolean {
    const { nodes, network, scene } = this.#parts
    const agents = nodes.filter(({ agent }) => (agent?.holders.size ?? 0) > 0)
    if (agents.length === 0) return false
    const agent = this.#pick(agents)
    const witnesses = nodes.filter((one) => one.witness.isWhole && one !== agent)
    const stepMs = scene.profile.takeOverMs + 2 * scene.profile.renewEveryMs
    witnesses.forEach(({ peerId }, index) => {
      this.#later(index * stepMs, () => {
        network.heal()
        network.cut(agent.peerId, peerId)
      })
    })
    this.#later(witnesses.length * stepMs, () => network.heal())
    return true
  }

  #partition(): boolean {
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
    return here.length > 0 && here.length < nodes.length
  }

  /** What is on the disk is wrong, and whoever opens it sees that: it is no witness now. */
  #ruin(node: SimNode, damage: (disk: Disk) => boolean): boolean {
    const { scene } = this.#parts
    if (!this.#losses.mayLose(node)) return false
    node.process.crash()
    if (!damage(node.disk)) {
      node.start()
      return false
    }
    this.#losses.note(node)
    scene.emit({ kind: 'damaged', store: node.disk.storeId })
    node.start()
    this.#enrolAnew(node)
    return true
  }

  /** Nothing is left: the process makes itself an empty store, which is another one. */
  #amnesia(node: SimNode): boolean {
    if (!this.#losses.mayLose(node)) return false
    this.#losses.note(node)
    node.process.crash()
    node.replaceDisk(this.#parts.scene)
    this.#later(this.#between(...AWAY_MS), () => {
      node.start()
      this.#rosters.readmit(node)
    })
    return true
  }

  /** An old copy that opens without a doubt: only others can tell. */
  #rollBack(node: SimNode): boolean {
    const { scene } = this.#parts
    if (node.witness.isWhole !== true || node.gateway !== undefined) return false
    const backup = this.#backup
    const { nowMs } = scene.timeline
    if (backup === undefined || backup.node.disk.isRuined) {
      this.#backup = { node, copy: node.disk.backup(), atMs: nowMs }
      return false
    }
    if (nowMs - backup.atMs < BACKUP_AGE_MS_MIN) return false
    if (!this.#setBack(backup.node, backup.copy)) return false
    this.#backup = undefined
    return true
  }

  /** False where nobody is there who can tell. */
  #setBack(node: SimNode, copy: Backup): boolean {
    const { scene, nodes, network } = this.#parts
    const { nowMs } = scene.timeline
    if (this.#losses.isOver || node.isAway || network.isAlone(node.peerId)) return false
    const { storeId } = node.disk
    // Only who is a witness now is asked.
    const asked = witnessRefs(node.rosters.current).map(({ peerId }) => peerId)
    const remembers = nodes.some((one) => {
      if (one === node || !asked.includes(one.peerId) || network.isAlone(one.peerId)) return false
      const isThere = one.witness.isWhole === true && one.process.isAlive
      const isAwake = isThere && one.process.pausedUntilMs <= nowMs
      return isAwake && one.client.seen.of(node.peerId, storeId) > copy.seq
    })
    // Without anybody who remembers it is not noticed, as docs/protocol.md says.
    if (!remembers) return false
    this.#losses.add()
    node.process.crash()
    scene.emit({ kind: 'damaged', store: storeId })
    node.disk.restore(copy)
    // Those that are to be asked must have a moment for it.
    this.#quietUntilMs = nowMs + QUIET_MS
    node.process.start()
    this.#enrolAnew(node)
    return true
  }

  /** Somebody has to do it, which takes longer than any lease. */
  #enrolAnew(node: SimNode): void {
    const { scene } = this.#parts
    this.#later(scene.profile.takeOverMs + 1_000, () => {
      node.process.crash()
      node.replaceDisk(scene)
      node.start()
      this.#rosters.readmit(node)
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
