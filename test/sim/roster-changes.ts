import type { Member, WitnessSeat } from '../../protocol/core/roster.ts'
import type { SimNode } from './node.ts'
import type { WorldOptions } from './options.ts'
import { WALL_MS } from './process.ts'
import type { Scene } from './scene.ts'

interface RosterChangeParts {
  readonly scene: Scene
  readonly nodes: readonly SimNode[]
  readonly options: WorldOptions
}

/** Whoever has the authority's key changes who is a witness. */
export class RosterChanges {
  readonly #parts: RosterChangeParts
  readonly #pick: <T>(list: readonly T[]) => T
  #changes = 0

  constructor(parts: RosterChangeParts, pick: <T>(list: readonly T[]) => T) {
    this.#parts = parts
    this.#pick = pick
  }

  /** A member that lost its store comes back with another one: a witness epoch begins. */
  readmit(node: SimNode): void {
    const { authority } = this.#parts.scene
    const { peerId, disk } = node
    const seat = authority.newest.members.find((one) => one.peerId === peerId)?.witness
    if (seat === undefined || seat.storeId === disk.storeId) return
    this.#issue('a store is admitted anew', (member) => {
      if (member.peerId !== peerId) return member
      return { ...member, witness: { ...seat, storeId: disk.storeId } }
    })
  }

  /** One witness makes room for another: the one of that peer id, or any. */
  replaceWitness(node: SimNode, gone?: string): boolean {
    const { authority } = this.#parts.scene
    const { members } = authority.newest
    const seats = members.filter(({ witness }) => witness !== undefined)
    const out = gone === undefined ? this.#pick(seats) : seats.find(({ peerId }) => peerId === gone)
    const seat = out?.witness
    const isFree = members.find(({ peerId }) => peerId === node.peerId)?.witness === undefined
    if (
      !isFree ||
      out === undefined ||
      seat === undefined ||
      node.gateway !== undefined ||
      node.isGone
    )
      return false
    if (!node.process.isAlive || node.disk.isRuined) return false
    return this.#issue('a witness is replaced', (member) => {
      const { storeId } = node.disk
      if (member.peerId === out.peerId) return withSeat(member, undefined)
      return member.peerId === node.peerId ? withSeat(member, { storeId, zone: storeId }) : member
    })
  }

  /** Where there are more than one run has: `agent unseat`. */
  unseat(peer: string): boolean {
    const { scene, options } = this.#parts
    const seats = scene.authority.newest.members.filter(({ witness }) => witness !== undefined)
    const isSeated = seats.some(({ peerId }) => peerId === peer)
    if (!isSeated || seats.length <= options.witnesses) return false
    return this.#issue('a witness is unseated', (member) => {
      return member.peerId === peer ? withSeat(member, undefined) : member
    })
  }

  /** A host that is set up elsewhere: nobody leaves, and each run has other witnesses. */
  moveZone(peer: string): boolean {
    const { members } = this.#parts.scene.authority.newest
    const seat = members.find(({ peerId }) => peerId === peer)?.witness
    if (seat === undefined) return false
    return this.#issue('a zone is another', (member) => {
      return member.peerId === peer ? withSeat(member, { ...seat, zone: `${seat.zone}'` }) : member
    })
  }

  /** At most one change fewer than there are witnesses: one of the first ones stays to tell. */
  #issue(what: string, change: (member: Member) => Member): boolean {
    const { scene, nodes, options } = this.#parts
    if (this.#changes >= options.witnesses - 1) return false
    const alive = nodes.filter(({ process }) => process.isAlive)
    if (alive.length === 0) return false
    this.#changes += 1
    // The authority's host keeps its clock.
    const wallMs = WALL_MS + scene.timeline.nowMs
    const roster = scene.authority.issue(change, wallMs)
    scene.count(`roster: ${what}`)
    this.#pick(alive).rosters.learn([roster])
    return true
  }
}

function withSeat(member: Member, witness: WitnessSeat | undefined): Member {
  const others = member.roles.filter((role) => role !== 'witness')
  return { ...member, witness, roles: witness === undefined ? others : [...others, 'witness'] }
}
