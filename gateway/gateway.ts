import type { FastifyInstance } from 'fastify'
import type { FollowSource } from '../protocol/api/log-follow.ts'
import { LogStreams } from '../protocol/api/log-streams.ts'
import { Metrics } from '../protocol/api/metrics.ts'
import { causeOf, codeOf, MeshError } from '../protocol/core/errors.ts'
import { LOG_LOOK_ANSWER_MS_MAX } from '../protocol/core/follow-limits.ts'
import type { JobState } from '../protocol/core/job.ts'
import { LOG_REQUEST_MS_MAX } from '../protocol/core/limits.ts'
import type { Clock } from '../protocol/core/ports.ts'
import { runIdOf } from '../protocol/core/run.ts'
import type { DiskWatch } from '../protocol/host/disk-watch.ts'
import { listenOn, urlOf } from '../protocol/host/listening.ts'
import type { Log } from '../protocol/host/log.ts'
import type { StatePaths } from '../protocol/host/paths.ts'
import { systemRandom } from '../protocol/host/random.ts'
import { VERSION } from '../protocol/host/version.ts'
import { watchJob } from '../protocol/mesh/job-watch.ts'
import { Member } from '../protocol/mesh/member.ts'
import type { RosterBook } from '../protocol/mesh/members/roster-book.ts'
import type { LogRead } from '../protocol/store/job-log.ts'
import { LogStore } from '../protocol/store/log-store.ts'
import type { MeshStore } from '../protocol/store/mesh-store.ts'
import { openAnnouncement, sealTogether } from '../protocol/wire/announcement.ts'
import { PROTOCOLS } from '../protocol/wire/ids.ts'
import type { MeshKey } from '../protocol/wire/keys.ts'
import { decodeLogReply, encodeLogRequest } from '../protocol/wire/log-codec.ts'
import { runIdOfOrigin } from '../protocol/wire/run-id.ts'
import { agentOrdersOf } from './agent-orders.ts'
import type { ApiParts } from './api/parts.ts'
import { createServer } from './api/server.ts'
import { TokenStore } from './api/token-store.ts'
import { Approvals } from './approvals.ts'
import { type Cancel, cancelsOf } from './cancels.ts'
import { type GatewaySettings, secretsKeyPath } from './config.ts'
import { FloorKeeper } from './floor-keeper.ts'
import { type CommitAccess, CommitCache } from './forge/commit-cache.ts'
import { ForgeRoom } from './forge/forge-room.ts'
import { Receiver } from './hooks/receiver.ts'
import { Intake } from './intake.ts'
import { type Holders, holdersOf } from './logs/holders.ts'
import { type LogQuestion, type LogReaderParts, readLog } from './logs/log-reader.ts'
import { LogService } from './logs/log-service.ts'
import { LogSweep } from './logs/log-sweep.ts'
import { MeshRecorder } from './mesh-recorder.ts'
import { gatewayCounts } from './metrics/event-metrics.ts'
import { openMetrics } from './metrics/open-metrics.ts'
import type { Announcer } from './ports.ts'
import { ProvisionRoom } from './provision/provision-room.ts'
import type { HeadsRow } from './reconcile/heads-row.ts'
import { Reconciler } from './reconcile/reconciler.ts'
import { remoteHeads } from './reconcile/remote-heads.ts'
import { RepositoryLook } from './reconcile/repository-look.ts'
import { Repositories, type Repository } from './repositories.ts'
import { RunOrders } from './run-orders.ts'
import type { Scheduler } from './schedule/scheduler.ts'
import { schedulerOf } from './schedule/scheduler-of.ts'
import { SecretRoom } from './secrets/secret-room.ts'
import { SourceDoor } from './source-door.ts'
import { StatusRoom } from './status/status-room.ts'

export interface GatewayParts {
  readonly paths: StatePaths
  readonly settings: GatewaySettings
  readonly repositories: readonly Repository[]
  readonly log: Log
  readonly key: MeshKey
  readonly store: MeshStore
  readonly book: RosterBook
  readonly clock: Clock
  readonly disk: DiskWatch
  /** Called once when nothing may be promised any more: the process must end. */
  readonly onFailure: (error: MeshError) => void
}

/** One gateway, put together: the only place that knows all of its rooms. */
export class Gateway {
  readonly #parts: GatewayParts
  readonly #member: Member
  readonly #repositories: Repositories
  readonly #forges: ForgeRoom
  readonly #commits: CommitCache
  readonly #logs: LogStore
  readonly #sweep: LogSweep
  readonly #holders: Holders
  readonly #intake: Intake
  readonly #door: SourceDoor
  readonly #orders: RunOrders
  readonly #approvals: Approvals
  readonly #floor: FloorKeeper
  readonly #statuses: StatusRoom
  readonly #reconciler: Reconciler
  readonly #scheduler: Scheduler
  readonly #provision: ProvisionRoom
  readonly #cancel: Cancel
  readonly #announcer: Announcer
  readonly #streams = new LogStreams()
  readonly #metrics = Metrics.ofProcess()
  readonly #counts = gatewayCounts(this.#metrics)
  readonly #random = systemRandom()
  #app: FastifyInstance | undefined
  #stopping = false

  constructor(parts: GatewayParts) {
    this.#parts = parts
    const { paths, settings, log, key, store, book, clock } = parts
    const random = this.#random
    const { listen, announce, gossip } = settings
    const isDiskLow = (): boolean => parts.disk.isLow
    const own = { isDiskLow, proofs: paths.proofs, onFailure: parts.onFailure }
    this.#member = new Member(
      { key, book, store, clock, random, log, ...own },
      { listen, announce, gossip, boot: random.id(8) }
    )
    this.#cancel = cancelsOf(this.#member, { clock, random })
    this.#repositories = new Repositories(parts.repositories)
    const { credentials: file, secrets } = paths
    const files = { file, keyFile: secretsKeyPath(paths, settings), secrets }
    const { forge: onResult, phase: onPhase } = this.#counts
    this.#forges = new ForgeRoom(
      { repositories: this.#repositories, clock, log, onResult },
      { files, publicUrl: settings.public_url }
    )
    const { apis, access, facts } = this.#forges
    this.#commits = new CommitCache({ log, access }, { dir: paths.cache })
    this.#announcer = {
      gateway: key.peerId,
      seal: (announcement) => sealTogether(key, announcement),
      open: openAnnouncement
    }
    const recorder = new MeshRecorder({ member: this.#member, clock })
    this.#intake = new Intake({
      inbox: store.inbox,
      repositories: this.#repositories,
      commits: this.#commits,
      facts,
      announcer: this.#announcer,
      recorder,
      onAnew: (runId) => this.#beginAnew(runId),
      onEnded: () => this.#statuses.noteEnded(),
      onPhase,
      clock,
      random,
      log
    })
    this.#statuses = new StatusRoom(
      {
        member: this.#member,
        table: store.outbox,
        inbox: store.inbox,
        repositories: this.#repositories,
        apis,
        self: key.peerId,
        clock,
        random,
        log
      },
      { publicUrl: settings.public_url }
    )
    const { inbox, provisions: table } = store
    const onEnded = (): void => this.#statuses.noteEnded()
    this.#approvals = new Approvals({ inbox, intake: this.#intake, onEnded, log })
    const into = { inbox, intake: this.#intake, disk: parts.disk }
    this.#door = new SourceDoor({ ...into, runIdOf: runIdOfOrigin })
    this.#orders = this.#ordersBy(access)
    const look = new RepositoryLook({ apis, access, door: this.#door, clock, log })
    const beside = { repositories: this.#repositories, clock, random, log }
    const onLooked = (row: HeadsRow): void => {
      this.#scheduler.noteHeads(row)
      if (row.repositoryId !== undefined) this.#forges.numbers.learn(row.url, row.repositoryId)
    }
    this.#reconciler = new Reconciler({ ...beside, look, table: store.heads, onLooked })
    const { board } = this.#member
    const calendar = { board, access, commits: this.#commits, door: this.#door }
    this.#scheduler = schedulerOf({ ...beside, ...calendar, table: store.schedules })
    const slots = { apis, inbox, door: this.#door, cancel: this.#cancel, keyFile: files.keyFile }
    this.#provision = new ProvisionRoom({ ...beside, ...slots, member: this.#member, table })
    const { ending } = this.#member
    const isLost = (witnessEpoch: number): boolean => recorder.isLost(witnessEpoch)
    this.#floor = new FloorKeeper({ inbox: store.inbox, ending, isLost, clock, log })
    this.#logs = new LogStore(paths.logs, { durable: true })
    this.#holders = holdersOf(this.#member, log)
    const isOpen = (runId: string): boolean => isOpenRun(this.#member, runId)
    this.#sweep = new LogSweep({ store: this.#logs, isOpen, clock, log }, { dir: paths.logs })
  }

  /** Resolves once deliveries are taken. Rejects with CONFIG_INVALID where it cannot listen. */
  async start(): Promise<void> {
    const { clock, log, settings, key } = this.#parts
    openMetrics(this.#metrics, this.#parts, {
      ...{ member: this.#member, intake: this.#intake, repositories: this.#repositories },
      ...{ outbox: this.#statuses.outbox, reconciler: this.#reconciler, streams: this.#streams }
    })
    const file = this.#parts.paths.secrets
    const keyFile = secretsKeyPath(this.#parts.paths, settings)
    const secrets = new SecretRoom(
      {
        ...{ member: this.#member, self: key.peerId, clock, log },
        provision: this.#provision,
        sourceOf: this.#forges.source
      },
      { file, keyFile }
    )
    await this.#provision.open()
    const { maskers } = secrets
    const service = new LogService({ store: this.#logs, holders: this.#holders, maskers, log })
    this.#member.node.handle(PROTOCOLS.log, service.handle)
    this.#member.node.handle(PROTOCOLS.secrets, secrets.service.handle)
    await this.#commits.prune(this.#parts.repositories.map(({ url }) => url))
    await this.#member.start()
    this.#member.on((event) => {
      if (event.kind === 'job') this.#noteEnd(runIdOf(event.jobId))
      if (event.kind === 'run') {
        this.#later('approval', () => this.#approvals.recorded(event.runId))
      }
      if (event.kind !== 'roster') return
      this.#intake.wake()
      this.#later('begin anew', () => this.#intake.beginAnew())
    })
    this.#member.node.onLink(({ kind }) => {
      if (kind === 'up') this.#intake.wake()
    })
    await this.#intake.start()
    await this.#statuses.start()
    // The roster may have come while this gateway was away.
    this.#later('begin anew', () => this.#intake.beginAnew())
    this.#sweep.start()
    this.#floor.start()
    // Before hooks are taken: what they name is for it to look at.
    await this.#provision.start()
    const repositories = this.#repositories
    const { numbers } = this.#forges
    const { provisioner: jobs } = this.#provision
    const { delivery: onAnswer } = this.#counts
    const incoming = { door: this.#door, repositories, numbers, jobs, onAnswer }
    const receiver = new Receiver({ ...incoming, clock, log })
    const tokens = new TokenStore(this.#parts.paths.tokens)
    this.#app = await createServer({ api: this.#api(), receiver, tokens, log })
    const listening = { ...settings.http, setting: 'http', file: this.#parts.paths.config }
    await listenOn(this.#app, listening)
    // Once hooks are taken: what a forge is asked to send again comes there.
    await this.#reconciler.start()
    await this.#scheduler.start()
    const addresses = this.#member.node.addresses()
    const facts = { peer: key.peerId, addresses, http: this.httpUrl, name: settings.name }
    log.info({ ...facts, repositories: this.#repositories.size }, 'gateway started')
  }

  /** Where deliveries and the API are served; '' before start. */
  get httpUrl(): string {
    return this.#app === undefined ? '' : urlOf(this.#app)
  }

  /** Takes the repositories of settings that were read again. */
  async reload(repositories: readonly Repository[]): Promise<void> {
    this.#repositories.replace(repositories)
    this.#intake.wake()
    this.#statuses.outbox.wake()
    this.#reconciler.reload()
    this.#scheduler.reload()
    this.#provision.provisioner.reload()
    await this.#commits.prune(repositories.map(({ url }) => url))
    this.#parts.log.info({ repositories: repositories.length }, 'settings read again')
  }

  /**
   * Takes nothing new, answers what is in flight, lets runs that are being recorded finish, and
   * leaves the mesh; each of the first two for at most `limitMs`. What is left is in the inbox.
   */
  async stop(limitMs: number): Promise<void> {
    this.#stopping = true
    await this.#closeHttp(limitMs)
    this.#orders.stop()
    await this.#scheduler.stop()
    await this.#provision.stop()
    await this.#reconciler.stop()
    await this.#intake.stop(limitMs)
    await this.#statuses.stop(limitMs)
    await this.#sweep.stop()
    await this.#floor.stop()
    await this.#member.stop()
    await this.#logs.close()
  }

  #noteEnd(runId: string): void {
    const { board } = this.#member
    if (board.run(runId) === undefined || isOpenRun(this.#member, runId)) return
    this.#later('end of run', () => this.#intake.ended(runId))
  }

  /** Nobody waits for it: what it does not get to, the next start does. */
  #later(what: string, task: () => Promise<void>): void {
    task().catch((error: unknown) => {
      this.#parts.log.warn({ what, code: codeOf(error), cause: causeOf(error) }, 'task failed')
    })
  }

  async #closeHttp(limitMs: number): Promise<void> {
    const app = this.#app
    if (app === undefined) return
    // Streams have no end of their own while their jobs run.
    this.#streams.stop()
    const disarm = this.#parts.clock.arm(limitMs, () => app.server.closeAllConnections())
    await app.close()
    disarm()
  }

  /** What was of its first epochs: they are counted from one again. */
  async #beginAnew(runId: string): Promise<void> {
    this.#holders.forget(runId)
    this.#provision.beginAnew(runId)
    await this.#logs.remove(runId)
  }

  #ordersBy(access: CommitAccess): RunOrders {
    const { clock, log } = this.#parts
    return new RunOrders({
      repositories: this.#repositories,
      inbox: this.#parts.store.inbox,
      door: this.#door,
      headsOf: async (each, signal) => remoteHeads(each.url, await access(each, signal), signal),
      clock,
      random: this.#random,
      log
    })
  }

  #api(): ApiParts {
    const { key, store, clock, log } = this.#parts
    const member = this.#member
    return {
      peerId: key.peerId,
      version: VERSION,
      board: member.board,
      clock,
      inbox: store.inbox,
      announcer: this.#announcer,
      approvals: this.#approvals,
      door: this.#door,
      orders: this.#orders,
      orderAgent: agentOrdersOf(member.node),
      statuses: this.#statuses.outbox,
      readJob: (jobId) => this.#readJob(jobId),
      roster: () => member.roster(),
      links: () => member.node.links(),
      health: () => member.health(),
      epochs: () => member.epochs(),
      equivocations: () => member.equivocations(),
      metrics: this.#metrics,
      intakeQueued: () => this.#intake.queued,
      stopping: () => this.#stopping,
      log,
      readLog: (question) => this.#readLog(question, LOG_REQUEST_MS_MAX),
      follow: this.#followSource(),
      streams: this.#streams,
      cancel: this.#cancel
    }
  }

  #readLog(question: LogQuestion, timeoutMs: number): Promise<LogRead> {
    const { node } = this.#member
    const send: LogReaderParts['send'] = async (peer, request) => {
      const body = encodeLogRequest(request)
      return decodeLogReply(await node.request(peer, PROTOCOLS.log, body, { timeoutMs }))
    }
    return readLog({ store: this.#logs, self: this.#parts.key.peerId, send }, question)
  }

  #followSource(): FollowSource {
    const { key, clock } = this.#parts
    const parts = { logs: this.#logs, member: this.#member }
    return {
      board: this.#member.board,
      clock,
      roster: () => this.#member.roster(),
      keeps: ({ gateway }) => gateway === key.peerId,
      watch: (jobId, listener) => watchJob(parts, jobId, listener),
      readPage: (question) => this.#readLog(question, LOG_LOOK_ANSWER_MS_MAX)
    }
  }

  async #readJob(jobId: string): Promise<JobState | undefined> {
    const read = await this.#member.readJob(jobId)
    if (read.kind === 'chosen') return read.state
    const { w: witnesses, quorum } = this.#member.health()
    throw new MeshError('QUORUM_UNREACHABLE', { answered: read.answered, witnesses, quorum })
  }
}

/** A run that the board has dropped has ended: open ones are never dropped. */
function isOpenRun({ board }: Member, runId: string): boolean {
  const status = board.runStatus(runId)
  return status === 'running' || status === 'queued'
}
