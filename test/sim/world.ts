import { LEASE_PROFILES } from '../../protocol/core/lease-profile.ts'
import { landingOf } from '../../protocol/core/move.ts'
import { runIdOf } from '../../protocol/core/run.ts'
import type { WitnessRef } from '../../protocol/core/witnesses.ts'
import { quorumOf, witnessesOf } from '../../protocol/core/witnesses.ts'
import { plainDigest } from '../support/plain-digest.ts'
import { plainVerifier } from '../support/plain-signer.ts'
import { Timeline } from '../support/timeline.ts'
import { Aftermath } from './aftermath.ts'
import { startCancels } from './cancels.ts'
import { allChecks } from './checks/all.ts'
import { ChosenValues } from './chosen.ts'
import type { Counts } from './counts.ts'
import { Deliveries } from './deliveries.ts'
import type { Checker, Fact, SimEvent } from './events.ts'
import { Trouble } from './faults.ts'
import { Liveness } from './liveness.ts'
import { StoreLosses } from './losses.ts'
import { Network } from './network.ts'
import { SimNode } from './node.ts'
import { drawOptions, type WorldOptions } from './options.ts'
import { KEPT_MS } from './retention.ts'
import { RogueMember } from './rogue.ts'
import { Authority } from './rosters.ts'
import { placeOf, type Scene } from './scene.ts'
import { rosterOf, type SeatOptions } from './seats.ts'
import { BriefSight, LinkSight, type PeerSight } from './sight.ts'
import { Trace } from './trace.ts'

export interface WorldResult {
  readonly seed: number
  readonly options: WorldOptions
  /** The first broken invariant; undefined where all held. */
  readonly violation: string | undefined
  readonly events: number
  readonly simulatedMs: number
  /** SHA-256 over all events. */
  readonly digest: string
  readonly last: readonly string[]
  readonly jobs: number
  /** Highest epoch of any job: above 1, a lease came to another claim. */
  readonly epochMax: number
  /** How often what happened, faults among it. */
  readonly counts: Counts
}

/** Milliseconds after the mending before times are judged: what was late comes home. */
const SETTLE_MS = 10_000
/** Milliseconds of all that follows at most, in units of the take-over time. */
const HEALED_TAKE_OVERS = 40
/** Milliseconds of quiet at the end: what is on its way may change nothing. */
const QUIET_MS = 3_000
const LOOK_EVERY_MS = 250
/** Each makes another stream of chance of a seed. */
const ASIDE = 0x5bd1e995
const ABSENT = 0x1b873593
const LATE = 0x38b34ae5
/** Milliseconds that a witness may take to drop what is closed, once it is. */
const DROPPED_MS = 12_000

/** One simulated mesh from its first delivery to its last outcome. */
export class World implements Scene {
  readonly timeline: Timeline
  readonly aside: Timeline
  readonly digest = plainDigest()
  readonly verifier = plainVerifier(this.digest)
  readonly authority: Authority
  readonly profile
  readonly options: WorldOptions
  readonly nodes: readonly SimNode[]
  readonly network: Network
  readonly chosen: ChosenValues
  /** Told of every event, before it is judged. */
  listen: (event: SimEvent) => void = () => undefined
  readonly #trace = new Trace()
  readonly #checks: readonly Checker[]
  readonly #sets = new Map<string, readonly WitnessRef[]>()
  readonly #rogue: RogueMember | undefined
  readonly #absent: Timeline
  readonly #late: Timeline
  #violation: string | undefined
  readonly #counts: Record<string, number> = {}
  readonly #needs = new Map<string, readonly number[]>()
  #epochMax = 0

  constructor(seed: number, change: (options: WorldOptions) => WorldOptions = (same) => same) {
    this.timeline = new Timeline(seed)
    this.aside = new Timeline(seed ^ ASIDE)
    this.#absent = new Timeline(seed ^ ABSENT)
    this.#late = new Timeline(seed ^ LATE)
    const others = { aside: this.aside, absent: this.#absent, late: this.#late }
    this.options = change(drawOptions(seed, this.timeline, others))
    const { options } = this
    const { faults } = options
    const seats: SeatOptions = { ...options, rogues: options.rogue ? 1 : 0 }
    const { roster, plans } = rosterOf(seats, this.timeline)
    this.authority = new Authority(roster)
    this.profile = LEASE_PROFILES[options.lease]
    this.network = new Network(this.timeline, faults, (what) => this.count(what))
    this.network.gossipLossRate = faults.gossipLossRate
    this.chosen = new ChosenValues(quorumOf(roster.w), (fact) => this.emit(fact))
    this.#checks = allChecks({
      quorum: quorumOf(roster.w),
      rogues: new Set(['rogue']),
      killBudgetMs: this.profile.killBudgetMs,
      guardTickMs: 250,
      needsOf: (jobId) => this.#needs.get(jobId) ?? []
    })
    const { driftRate } = options
    const shared = { first: roster, driftRate, sightOf: (me: string) => this.#sightOf(me) }
    this.nodes = plans.map((plan) => new SimNode(this, this.network, { ...plan, ...shared }))
    for (const node of this.nodes) {
      node.disk.syncMsMax = faults.syncMsMax
      node.host.hostileRate = faults.hostileRate
      node.client.givingUp.rate = options.giveUpRate
      if (node.gateway !== undefined) node.gateway.equivocates = options.equivocates
    }
    this.#rogue = options.rogue ? new RogueMember('rogue', this, this.network) : undefined
  }

  emit(fact: Fact): void {
    const event = { ...fact, atMs: this.timeline.nowMs }
    this.#trace.add(event)
    this.listen(event)
    for (const check of this.#checks) {
      const problem = check(event)
      this.#violation ??= problem
    }
    if (fact.kind === 'fault') this.count(`fault: ${fact.what}`)
    if (fact.kind === 'holds') this.#epochMax = Math.max(this.#epochMax, fact.epoch)
    this.chosen.see(event)
  }

  count(what: string): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + 1
  }

  witnesses(register: string, witnessEpoch: number): readonly WitnessRef[] {
    const runId = runIdOf(register)
    const name = placeOf(runId, witnessEpoch)
    const known = this.#sets.get(name)
    if (known !== undefined) return known
    const roster = this.authority.at(witnessEpoch)
    const derived = roster === undefined ? [] : witnessesOf(runId, roster, this.digest)
    if (roster !== undefined) this.#sets.set(name, derived)
    return derived
  }

  #sightOf(me: string): PeerSight {
    const isHere = (peer: string): boolean => {
      const process = this.nodes.find(({ peerId }) => peerId === peer)?.process
      return process?.isAlive === true && process.pausedUntilMs <= this.timeline.nowMs
    }
    if (!this.options.absences) return new BriefSight(isHere)
    const isLinked = (peer: string): boolean => isHere(peer) && this.network.isLinked(me, peer)
    return new LinkSight(isLinked, this.profile.takeOverMs)
  }

  run(): WorldResult {
    const { timeline, options, nodes } = this
    const broken = (): boolean => this.#violation !== undefined
    for (const node of nodes) node.start()
    const gateways = nodes.filter(({ gateway }) => gateway !== undefined)
    const deliveries = new Deliveries(this, gateways, options, this.#needs)
    deliveries.start()
    startCancels({ scene: this, nodes, chosen: this.chosen }, deliveries.jobs)
    this.#rogue?.start(() => this.#target(deliveries.jobs))
    const { network, chosen } = this
    const parts = { scene: this, network, nodes, losses: new StoreLosses(this, options) }
    const trouble = new Trouble({ ...parts, options, absent: this.#absent })
    trouble.start()
    const aftermath = new Aftermath({ ...parts, chosen, late: this.#late })
    if (options.months) aftermath.start()
    timeline.run(options.troubleMs, broken)
    if (!broken()) {
      trouble.heal()
      this.#rogue?.stop()
      this.#calm(deliveries, broken)
    }
    if (options.months && !broken()) this.#months(deliveries, aftermath, broken)
    return this.#result(deliveries)
  }

  #calm(deliveries: Deliveries, broken: () => boolean): void {
    const { timeline, nodes, chosen } = this
    timeline.run(timeline.nowMs + SETTLE_MS, broken)
    const { watchesWitnesses } = this.options
    const liveness = new Liveness({
      scene: this,
      nodes,
      chosen,
      watchesWitnesses,
      needs: this.#needs
    })
    this.#settle(deliveries, liveness, broken)
    // What is still on its way may neither revive a job nor change an answer; and V6, the age of
    // containers, is looked at with every event.
    if (!broken()) timeline.run(timeline.nowMs + QUIET_MS, broken)
    this.#violation ??= liveness.look()
  }

  #settle(deliveries: Deliveries, liveness: Liveness, broken: () => boolean): void {
    const { timeline } = this
    const endMs = timeline.nowMs + HEALED_TAKE_OVERS * this.profile.takeOverMs
    let isOver = false
    while (!isOver && !broken() && timeline.nowMs < endMs) {
      timeline.run(timeline.nowMs + LOOK_EVERY_MS, broken)
      this.#violation ??= liveness.look()
      isOver = deliveries.open === 0 && liveness.isOver(deliveries.jobs)
    }
    if (!isOver) this.#violation ??= 'V3: something is never resolved'
  }

  /** What ended is dropped, then the drops are forgotten, and then what is old comes back. */
  #months(deliveries: Deliveries, aftermath: Aftermath, broken: () => boolean): void {
    const { timeline } = this
    const before = [...deliveries.jobs]
    timeline.run(timeline.nowMs + KEPT_MS, broken)
    deliveries.sendLast()
    const endMs = timeline.nowMs + DROPPED_MS
    while (!broken() && timeline.nowMs < endMs && !aftermath.isDropped(before)) {
      timeline.run(timeline.nowMs + LOOK_EVERY_MS, broken)
    }
    this.#calm(deliveries, broken)
    if (broken()) return
    if (aftermath.isQuiet) {
      this.count(aftermath.isDropped(before) ? 'months: all dropped' : 'months: not all dropped')
      aftermath.pass()
      timeline.run(timeline.nowMs + aftermath.passMs + SETTLE_MS, broken)
      aftermath.stir()
      timeline.run(timeline.nowMs + aftermath.stirMs, broken)
    } else {
      this.count('months: a gateway waits for whoever left')
      aftermath.comeBack()
    }
    if (!broken()) this.#calm(deliveries, broken)
  }

  #target(jobs: readonly string[]) {
    const { timeline, chosen } = this
    const register = jobs[Math.floor(timeline.random() * jobs.length)]
    const home = register === undefined ? undefined : chosen.home(register)
    const value = home?.written.value
    if (register === undefined || home === undefined || value?.kind !== 'job') return
    const { annHash, moved } = value
    const witnessEpoch = moved?.witnessEpoch ?? Number(home.place.slice(register.length + 1))
    const ann = { gateway: 'gateway1', gwSeq: 1, annHash }
    return { register, witnessEpoch, ann, landing: landingOf(value) }
  }

  #result(deliveries: Deliveries): WorldResult {
    return {
      seed: this.options.seed,
      options: this.options,
      violation: this.#violation,
      events: this.#trace.count,
      simulatedMs: this.timeline.nowMs,
      digest: this.#trace.digest(),
      last: this.#trace.last(),
      jobs: deliveries.jobs.length,
      epochMax: this.#epochMax,
      counts: this.#counts
    }
  }
}
