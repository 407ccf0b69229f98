import { type CancelParts, cancelJob } from '../protocol/api/job-cancel.ts'
import type { FollowSource } from '../protocol/api/log-follow.ts'
import { LogStreams } from '../protocol/api/log-streams.ts'
import { memberLines } from '../protocol/api/member-lines.ts'
import { Metrics } from '../protocol/api/metrics.ts'
import { LOG_LOOK_ANSWER_MS_MAX } from '../protocol/core/follow-limits.ts'
import { SECRETS_REQUEST_MS_MAX } from '../protocol/core/secret-limits.ts'
import { systemRandom } from '../protocol/host/random.ts'
import { VERSION } from '../protocol/host/version.ts'
import { watchJob } from '../protocol/mesh/job-watch.ts'
import { JoinService } from '../protocol/mesh/joining/join-service.ts'
import { Member } from '../protocol/mesh/member.ts'
import { LogStore } from '../protocol/store/log-store.ts'
import type { LogSweeper } from '../protocol/store/log-sweeper.ts'
import { digest } from '../protocol/wire/digest.ts'
import { PROTOCOLS } from '../protocol/wire/ids.ts'
import {
  decodeLogReply,
  encodeLogRequest,
  type LogReply,
  type LogRequest
} from '../protocol/wire/log-codec.ts'
import {
  decodeSecretsReply,
  encodeSecretsRequest,
  type SecretsReply,
  type SecretsRequest
} from '../protocol/wire/secrets-codec.ts'
import { admitMember, reseatMembers, revokeMembers } from './admission.ts'
import { Advertiser, type Statement } from './advertiser.ts'
import {
  type AgentParts,
  claimPartsOf,
  engineWatchOf,
  executorPartsOf,
  hostProblems,
  lifelineOf
} from './agent-parts.ts'
import { Claimer } from './claim/claimer.ts'
import type { WonClaim } from './claim/holder-parts.ts'
import type { Registers } from './claim/ports.ts'
import { Reaper } from './claim/reaper.ts'
import { removeLeftovers } from './claim/recovery.ts'
import { Renewer } from './claim/renewer.ts'
import type { ControlParts } from './control/parts.ts'
import { ControlServer } from './control/server.ts'
import { DeadlineFile } from './execute/deadline-file.ts'
import { Executor } from './execute/executor.ts'
import { admitterOf, makeInvite } from './invites.ts'
import { Life } from './life.ts'
import type { Lifeline } from './lifeline/lifeline.ts'
import { AttemptLogs } from './logs/attempt-logs.ts'
import type { LogSend } from './logs/feed.ts'
import { Feeds } from './logs/feeds.ts'
import { readLog } from './logs/log-reader.ts'
import { logServer } from './logs/log-server.ts'
import { spoolSweep } from './logs/spool-sweep.ts'
import { claimMetrics } from './metrics/claim-metrics.ts'
import type { MetricsServer } from './metrics/metrics-server.ts'
import { openMetrics } from './metrics/open-metrics.ts'
import { OrderService } from './order-service.ts'
import { agentOrders, type MeshOrders } from './orders.ts'
import type { EngineWatch } from './probe/engine-watch.ts'
import { SecretClient } from './secrets/secret-client.ts'
import { type StartParts, settleIn } from './settling.ts'
import { statementOf } from './statement.ts'
import type { Supervised } from './supervise.ts'
import { untilFailed } from './until-failed.ts'

/** Time that gossip needs to learn what a new peer listens to: about one of its heartbeats. */
const GREET_AFTER_MS = 1_200
/** How long one log request may take: it ends on the gateway's disk. */
const LOG_REQUEST_MS_MAX = 10_000
/** Time that feeds get to bring the last lines to the gateway when the agent stops. */
const FEED_GRACE_MS = 3_000

/** One agent, put together: the only place that knows all of its rooms. */
export class Agent implements Supervised {
  readonly #parts: AgentParts
  readonly #life = new Life()
  readonly #random = systemRandom()
  readonly #member: Member
  readonly #executor: Executor
  readonly #spool: LogStore
  readonly #sweep: LogSweeper
  readonly #feeds: Feeds
  readonly #claimer: Claimer
  readonly #lifeline: Lifeline
  readonly #engineWatch: EngineWatch
  readonly #reaper: Reaper
  readonly #advertiser: Advertiser
  readonly #control: ControlServer
  readonly #orders: MeshOrders
  readonly #registers: Registers
  readonly #metrics = Metrics.ofProcess()
  readonly #metricsServer: MetricsServer
  readonly #quit = new AbortController()
  readonly #failed = new AbortController()
  #leaving = false

  constructor(parts: AgentParts) {
    this.#parts = parts
    const { paths, settings, log, key, store, engine, host, book, clock, onFailure } = parts
    const random = this.#random
    const { listen, announce, gossip } = settings
    const own = { door: parts.invites, isDiskLow: () => parts.disk.isLow, proofs: paths.proofs }
    this.#member = new Member(
      { key, book, store, clock, random, log, onFailure, ...own },
      { listen, announce, gossip, boot: random.id(8) }
    )
    this.#executor = new Executor(
      { engine, clock, log, ...executorPartsOf(parts) },
      {
        peerId: key.peerId,
        storeId: store.storeId,
        workspaces: paths.workspaces,
        leases: paths.leases,
        busybox: settings.busybox,
        requireIsolation: settings.isolation.require,
        runtimes: (now) => host.isolation.shownBy(now),
        name: settings.name,
        platforms: host.platforms,
        subnets: settings.network.subnets,
        offersBuilder: host.offersBuilder,
        gpus: () => parts.gpus.devices
      }
    )
    this.#lifeline = lifelineOf(parts)
    const spool = new LogStore(paths.logs, { durable: false })
    this.#spool = spool
    const held = (): readonly string[] => this.#claimer.heldJobs
    this.#sweep = spoolSweep({ spool, held, clock, log }, { dir: paths.logs })
    this.#feeds = new Feeds({ spool, send: this.#sendLog, clock, random, log })
    const logs = new AttemptLogs({ spool, feeds: this.#feeds, clock, log })
    const registers = untilFailed(this.#member, this.#failed.signal)
    this.#registers = registers
    this.#engineWatch = engineWatchOf(parts, registers, () => this.#offerChanged())
    this.#claimer = new Claimer({
      registers,
      clock,
      random,
      digest: digest(),
      log,
      renewer: new Renewer({ registers, clock, log }),
      executor: this.#executor,
      attempts: store.attempts,
      openDeadline: (jobId, claimId) => DeadlineFile.create(paths.leases, jobId, claimId, clock),
      ...claimPartsOf(parts),
      logs,
      secrets: new SecretClient({ send: this.#askSecrets, clock, random, log }),
      // No lease without a lifeline: what is claimed may have to be ended by somebody else.
      mayClaim: () => this.#life.mayClaim && this.#hasRoom,
      onRoom: () => this.#advertiser.changed(),
      onHeld: (change) => this.#life.tell(change),
      onEvent: claimMetrics(this.#metrics)
    })
    const reaping = { executor: this.#executor, attempts: store.attempts, clock, log }
    this.#reaper = new Reaper({ ...reaping, isTrying: host.isTrying })
    this.#advertiser = new Advertiser({
      clock,
      random,
      log,
      state: () => this.#statement(),
      send: (advertisement) => this.#member.advertise(advertisement)
    })
    const leaving = (): boolean => this.#leaving
    this.#orders = agentOrders({ life: this.#life, claimer: this.#claimer, leaving })
    const control = this.#controlParts()
    this.#control = new ControlServer(control, { socket: paths.socket, log })
    const rooms = { life: this.#life, member: this.#member, advertiser: this.#advertiser }
    const more = { claimer: this.#claimer, feeds: this.#feeds, hasRoom: () => this.#hasRoom }
    this.#metricsServer = openMetrics(this.#metrics, parts, { ...rooms, ...more, control })
  }

  /** Resolves once the agent speaks to the mesh; it turns idle when a quorum answers. */
  async start(): Promise<void> {
    const { log, host, clock } = this.#parts
    this.#member.node.handle(PROTOCOLS.log, logServer(this.#spool))
    this.#member.node.handle(PROTOCOLS.join, this.#joins().handle)
    const roster = () => this.#member.roster()
    const ordered = new OrderService({ orders: this.#orders, roster, log }, this.#parts.settings)
    this.#member.node.handle(PROTOCOLS.orders, ordered.handle)
    this.#member.on(() => this.#claimer.consider())
    this.#life.onChange(() => {
      log.info({ state: this.#life.state }, 'state changed')
      this.#offerChanged()
    })
    const { disk, door, networks, gpus, looks } = this.#parts
    for (const part of [this.#lifeline, disk, networks, door, gpus, looks]) {
      part?.onChange(() => this.#offerChanged())
    }
    door.start()
    await this.#lifeline.start()
    const candidates = await removeLeftovers(this.#recovery())
    this.#claimer.expect(candidates)
    this.#reaper.start()
    await this.#member.start()
    this.#member.node.onLink(({ kind }) => {
      // Gossip to a new peer is lost until its subscriptions have arrived: said once they have.
      if (kind === 'up') clock.arm(GREET_AFTER_MS, () => this.#advertiser.changed())
    })
    for (const server of [this.#control, this.#metricsServer]) await server.start()
    this.#sweep.start()
    log.info({ peer: this.#member.peerId, platforms: host.platforms }, 'agent started')
    for (const problem of host.problems) log.warn(problem, 'host problem')
    this.#advertiser.changed()
    const settling = settleIn(this.#startParts(), candidates, this.#quit.signal)
    void settling.catch((error: unknown) => log.error({ err: error }, 'start not settled'))
  }

  /** Finishes what runs, claims nothing new. */
  async drain(): Promise<void> {
    this.#leaving = true
    this.#life.tell({ kind: 'drain' })
    await this.#claimer.drain()
  }

  async stop(): Promise<void> {
    this.#leaving = true
    this.#life.tell({ kind: 'drain' })
    this.#quit.abort()
    this.#parts.door.stop()
    await this.#claimer.stop()
    await this.#reaper.stop()
    this.#engineWatch.stop()
    this.#parts.networks?.stop()
    await this.#lifeline.stop()
    await this.#feeds.stop(FEED_GRACE_MS)
    await this.#advertiser.stop()
    await this.#sweep.stop()
    for (const server of [this.#metricsServer, this.#control]) await server.stop()
    await this.#member.stop()
    await this.#spool.close()
  }

  /**
   * Fail-stop (rule D6): from now on nothing is claimed, renewed, ended, answered or said; what
   * runs is ended here, or by its guard. The next boot settles what is recorded.
   */
  async abandon(): Promise<void> {
    this.#failed.abort()
    this.#quit.abort()
    this.#parts.door.stop()
    this.#claimer.quit()
    this.#advertiser.silence()
    this.#engineWatch.stop()
    this.#parts.networks?.stop()
    const servers = [this.#control, this.#metricsServer]
    const rooms = [this.#member, ...servers, this.#sweep, this.#lifeline, this.#reaper]
    await Promise.all(rooms.map((room) => room.stop()))
    await this.#feeds.stop(0)
    await this.#claimer.drain()
    await this.#spool.close()
  }

  #offerChanged(): void {
    this.#advertiser.changed()
    this.#claimer.consider()
  }

  /** What is claimed here can be ended and written down. */
  get #hasRoom(): boolean {
    return this.#lifeline.holds && !this.#parts.disk.isLow
  }

  #recovery() {
    const { clock, log, store } = this.#parts
    return {
      registers: this.#registers,
      clock,
      random: this.#random,
      digest: digest(),
      log,
      executor: this.#executor,
      attempts: store.attempts,
      gpus: () => this.#parts.gpus.devices,
      adopt: (won: WonClaim) => this.#claimer.adopt(won),
      unexpect: (jobId: string) => this.#claimer.unexpect(jobId)
    }
  }

  #startParts(): StartParts {
    const { host, log } = this.#parts
    return {
      recovery: this.#recovery(),
      life: this.#life,
      lifeline: this.#lifeline,
      host,
      hasQuorum: () => this.#member.health().hasQuorum,
      killBudgetMs: () => this.#registers.profile().killBudgetMs,
      onRuntimes: () => {
        log.info({ runtimes: host.isolation.runtimes }, 'runtimes tried')
        this.#offerChanged()
        this.#engineWatch.start()
      }
    }
  }

  readonly #sendLog: LogSend = (peer, request) => this.#ask(peer, request, LOG_REQUEST_MS_MAX)

  async #ask(peer: string, request: LogRequest, timeoutMs: number): Promise<LogReply> {
    const body = encodeLogRequest(request)
    return decodeLogReply(await this.#member.node.request(peer, PROTOCOLS.log, body, { timeoutMs }))
  }

  readonly #askSecrets = async (peer: string, request: SecretsRequest): Promise<SecretsReply> => {
    const { node } = this.#member
    const options = { timeoutMs: SECRETS_REQUEST_MS_MAX }
    const body = encodeSecretsRequest(request)
    return decodeSecretsReply(await node.request(peer, PROTOCOLS.secrets, body, options), peer)
  }

  #statement(): Promise<Statement> {
    const { ledger, heldJobs, warm } = this.#claimer
    const { boot } = this.#member
    const { state } = this.#life
    const hasRoom = this.#hasRoom
    return statementOf(this.#parts, { boot, state, ledger, heldJobs, warm, hasRoom })
  }

  #joins(): JoinService {
    const { key, book, invites, paths, clock, log } = this.#parts
    return new JoinService({
      self: key.peerId,
      invites,
      roster: () => book.current(),
      seen: (peerId) => this.#member.node.seen(peerId),
      admitter: admitterOf({ paths, book, clock }),
      clock,
      log
    })
  }

  #controlParts(): ControlParts {
    const { clock, key, settings, paths, book, invites } = this.#parts
    const random = this.#random
    const addresses = (): readonly string[] => this.#member.node.addresses()
    const inviter = { peerId: key.peerId, paths, book, invites, clock, random, addresses }
    const spool = this.#spool
    return {
      peerId: key.peerId,
      name: settings.name,
      version: VERSION,
      board: this.#member.board,
      clock,
      roster: () => this.#member.roster(),
      links: () => this.#member.node.links(),
      health: () => this.#member.health(),
      epochs: () => this.#member.epochs(),
      problems: () => [
        ...this.#lifeline.problems(),
        ...hostProblems(this.#parts),
        ...this.#parts.door.problems(),
        ...this.#claimer.problems(),
        ...memberLines(this.#member)
      ],
      gpuUse: () => this.#parts.sampler.last,
      readLog: (question) => readLog({ spool, send: this.#sendLog, self: key.peerId }, question),
      follow: this.#followSource(),
      streams: new LogStreams(),
      metrics: this.#metrics,
      orders: this.#orders,
      cancel: (job, terms) => cancelJob(this.#cancelParts(), job, terms),
      admit: async (request) => {
        const { roster } = await admitMember({ paths, book, clock }, request)
        return { version: roster.version, witnessEpoch: roster.witnessEpoch }
      },
      reseat: async (request) => (await reseatMembers({ paths, book, clock }, request)).roster,
      revoke: (request) => revokeMembers({ paths, book, clock }, request),
      invite: (request) => makeInvite(inviter, request)
    }
  }

  #cancelParts(): CancelParts {
    const member = this.#member
    return {
      ...{ clock: this.#parts.clock, random: this.#random },
      changeJob: (jobId, opId, body, options) => member.changeJob(jobId, opId, body, options),
      hint: (jobId) => member.hint(jobId),
      health: () => member.health()
    }
  }

  #followSource(): FollowSource {
    const { clock, key } = this.#parts
    const spool = this.#spool
    const parts = { logs: spool, member: this.#member }
    const send: LogSend = (peer, request) => this.#ask(peer, request, LOG_LOOK_ANSWER_MS_MAX)
    return {
      board: this.#member.board,
      clock,
      roster: () => this.#member.roster(),
      keeps: ({ holder }) => holder === key.peerId,
      watch: (jobId, listener) => watchJob(parts, jobId, listener),
      readPage: async (question) => {
        return (await readLog({ spool, send, self: key.peerId }, question)).page
      }
    }
  }
}
