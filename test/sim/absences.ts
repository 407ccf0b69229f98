import type { Timeline } from '../support/timeline.ts'
import type { Backup } from './disk.ts'
import type { StoreLosses } from './losses.ts'
import type { Network } from './network.ts'
import type { SimNode } from './node.ts'
import type { RosterChanges } from './roster-changes.ts'
import type { Scene } from './scene.ts'
import { awayAfterMs } from './sight.ts'

export interface AbsenceParts {
  readonly scene: Scene
  readonly network: Network
  readonly nodes: readonly SimNode[]
  readonly absent: Pick<Timeline, 'random' | 'between'>
  readonly losses: StoreLosses
  readonly rosters: RosterChanges
  /** An old copy in the place of its store; false where nobody is there who can tell. */
  setBack(node: SimNode, copy: Backup): boolean
}

/** Of the time that a witness is away before its jobs move off it. */
const LEAST = 1.1
const MOST = 2.2
/** When the roster changes meanwhile: before jobs would move, and after. */
const CHANGE = [0.3, 1.3] as const
/** Milliseconds by which the copy is older than the absence, in units of the take-over time. */
const COPY_TAKE_OVERS = 1
const STAYS_RATE = 0.2
const CUT_RATE = 0.4

/**
 * Witnesses that are away for longer than their jobs wait for them (lease-protocol 4.9), one at a
 * time: dead, or alive and cut off from everybody. Each comes back with its store, with an old copy
 * of it, with an empty one, or never.
 */
export class Absences {
  readonly #parts: AbsenceParts
  #isOver = false
  #away: SimNode | undefined

  constructor(parts: AbsenceParts) {
    this.#parts = parts
  }

  start(): void {
    const { absent, scene } = this.#parts
    this.#later(absent.random() * 2 * scene.profile.takeOverMs, () => this.#begin())
  }

  /** Whoever is away comes back with what it has. */
  end(): void {
    this.#isOver = true
    if (this.#away !== undefined) this.#letIn(this.#away)
  }

  #begin(): void {
    const { absent, nodes, scene } = this.#parts
    const seated = nodes.filter((node) => {
      return node.witness.isWhole && node.process.isAlive && node.gateway === undefined
    })
    const node = this.#pick(seated)
    if (node === undefined) {
      this.start()
      return
    }
    const copy = node.disk.backup()
    const { storeId } = node.disk
    this.#later(absent.random() * COPY_TAKE_OVERS * scene.profile.takeOverMs, () => {
      // Its store was lost meanwhile.
      if (node.disk.storeId === storeId && !node.isGone) this.#leave(node, copy)
      else this.start()
    })
  }

  #leave(node: SimNode, copy: Backup): void {
    const { absent, network, scene } = this.#parts
    const isCut = absent.random() < CUT_RATE
    this.#away = node
    if (isCut) {
      scene.count('absence: witness cut off')
      network.isolate(node.peerId)
    } else {
      scene.count('absence: witness dead')
      node.isAway = true
      node.process.crash()
    }
    const longMs = awayAfterMs(scene.profile.takeOverMs)
    this.#later(absent.between(...CHANGE) * longMs, () => this.#change(node))
    if (!isCut && this.#mayStay(node) && absent.random() < STAYS_RATE) {
      this.#stay(node)
      return
    }
    this.#later(absent.between(LEAST, MOST) * longMs, () => {
      if (isCut) this.#back(node, 'its store')
      else this.#return(node, copy)
      this.start()
    })
  }

  /** What somebody does who sees it away: in its place, without it, or elsewhere in the roster. */
  #change(node: SimNode): void {
    const { absent, rosters, nodes } = this.#parts
    const luck = absent.random()
    const [other, free] = [this.#pick(nodes), this.#pick(nodes)]
    if (other === undefined || free === undefined) return
    if (luck < 0.15) rosters.unseat(node.peerId)
    else if (luck < 0.35) rosters.replaceWitness(free, node.peerId)
    else if (luck < 0.5) rosters.replaceWitness(free, other.peerId)
    else if (luck < 0.9) rosters.moveZone(other.peerId)
  }

  /** For good: its store is one of the few that a run may lose, and some agent is left. */
  #mayStay(node: SimNode): boolean {
    const { losses, nodes } = this.#parts
    const others = nodes.filter((one) => {
      return one !== node && one.agent !== undefined && !one.isGone && !one.isAway
    })
    return losses.mayLose(node) && others.length > 0
  }

  #stay(node: SimNode): void {
    const { losses, scene } = this.#parts
    losses.note(node)
    node.isGone = true
    this.#away = undefined
    scene.count('absence: stays away')
  }

  #return(node: SimNode, copy: Backup): void {
    const { absent, losses, rosters, scene } = this.#parts
    const luck = absent.random()
    node.isAway = false
    if (luck < 0.25 && node.disk.syncedSeq > copy.seq && this.#parts.setBack(node, copy)) {
      this.#back(node, 'an old copy')
    } else if (luck < 0.5 && losses.mayLose(node)) {
      losses.note(node)
      node.replaceDisk(scene)
      this.#back(node, 'an empty store')
      rosters.readmit(node)
    } else this.#back(node, 'its store')
  }

  #back(node: SimNode, what: string): void {
    this.#parts.scene.count(`absence: back with ${what}`)
    this.#letIn(node)
  }

  #letIn(node: SimNode): void {
    this.#away = undefined
    node.isAway = false
    this.#parts.network.rejoin(node.peerId)
    node.start()
  }

  #later(ms: number, task: () => void): void {
    this.#parts.scene.timeline.after(ms, () => {
      if (!this.#isOver) task()
    })
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.#parts.absent.random() * list.length)]
  }
}
