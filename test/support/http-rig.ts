import type { FastifyInstance } from 'fastify'
import type { ApiParts } from '../../gateway/api/parts.ts'
import { createServer, type ServerOptions } from '../../gateway/api/server.ts'
import { TokenStore } from '../../gateway/api/token-store.ts'
import { Approvals } from '../../gateway/approvals.ts'
import { RepositoryNumbers } from '../../gateway/forge/repository-numbers.ts'
import { Receiver } from '../../gateway/hooks/receiver.ts'
import { Intake } from '../../gateway/intake.ts'
import type { GatewayCounts } from '../../gateway/metrics/event-metrics.ts'
import type { CommitReader, ForgeFacts, Inbox } from '../../gateway/ports.ts'
import { remoteHeads } from '../../gateway/reconcile/remote-heads.ts'
import type { Repositories } from '../../gateway/repositories.ts'
import { RunOrders } from '../../gateway/run-orders.ts'
import { SourceDoor } from '../../gateway/source-door.ts'
import { LogStreams } from '../../protocol/api/log-streams.ts'
import { Metrics } from '../../protocol/api/metrics.ts'
import { Board } from '../../protocol/core/board.ts'
import type { MeshError } from '../../protocol/core/errors.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { type Log, silentLog } from '../../protocol/host/log.ts'
import { systemRandom } from '../../protocol/host/random.ts'
import type { MeshStore } from '../../protocol/store/mesh-store.ts'
import { generateKey, type MeshKey } from '../../protocol/wire/keys.ts'
import { runIdOfOrigin } from '../../protocol/wire/run-id.ts'
import { ScriptedLogs } from './follow-source.ts'
import {
  announcerOf,
  commitOf,
  declaredRepositories,
  factsOf,
  openGatewayStore,
  PIPELINE,
  RunRegisters,
  ScriptedCommits,
  ScriptedFacts,
  temporaryFolder
} from './gateway-rig.ts'
import { NO_JOBS } from './no-jobs.ts'
import { VECTOR, webhookHeaders } from './standard-webhook.ts'

const clock = systemClock()
let deliveries = 0

export interface HttpOverrides extends ServerOptions {
  readonly api?: Partial<ApiParts>
  readonly inbox?: (inbox: Inbox) => Inbox
  readonly repositories?: Repositories
  readonly commits?: CommitReader
  readonly facts?: ForgeFacts
  readonly queueMax?: number
  readonly diskProblem?: () => MeshError | undefined
  readonly log?: Log
  readonly onAnswer?: GatewayCounts['delivery']
  readonly onPhase?: GatewayCounts['phase']
}

/** The whole HTTP side on a real store; the mesh is the run registers and an empty board. */
export class HttpRig {
  readonly app: FastifyInstance
  readonly key: MeshKey
  readonly store: MeshStore
  readonly board: Board
  readonly registers: RunRegisters
  readonly tokens: TokenStore
  readonly intake: Intake
  readonly #remove: () => Promise<void>

  private constructor(parts: {
    app: FastifyInstance
    key: MeshKey
    store: MeshStore
    board: Board
    registers: RunRegisters
    tokens: TokenStore
    intake: Intake
    remove: () => Promise<void>
  }) {
    this.app = parts.app
    this.key = parts.key
    this.store = parts.store
    this.board = parts.board
    this.registers = parts.registers
    this.tokens = parts.tokens
    this.intake = parts.intake
    this.#remove = parts.remove
  }

  static async make(overrides: HttpOverrides = {}): Promise<HttpRig> {
    const { dir, remove } = await temporaryFolder()
    const key = generateKey()
    const store = await openGatewayStore(`${dir}/store`, key)
    const inbox = overrides.inbox?.(store.inbox) ?? store.inbox
    const log = overrides.log ?? silentLog()
    const repositories = overrides.repositories ?? declaredRepositories()
    const registers = new RunRegisters()
    const announcer = announcerOf(key)
    const intake = new Intake(
      {
        inbox,
        repositories,
        commits: overrides.commits ?? new ScriptedCommits(commitOf(PIPELINE)),
        facts: overrides.facts ?? new ScriptedFacts(factsOf()),
        announcer,
        recorder: registers,
        onPhase: overrides.onPhase,
        clock,
        random: systemRandom(),
        log
      },
      { queueMax: overrides.queueMax }
    )
    const disk = {
      get problem() {
        return overrides.diskProblem?.()
      }
    }
    const door = new SourceDoor({ inbox, intake, disk, runIdOf: runIdOfOrigin })
    const orders = new RunOrders({
      repositories,
      inbox,
      door,
      headsOf: (repository, signal) => remoteHeads(repository.url, undefined, signal),
      clock,
      random: systemRandom(),
      log
    })
    const apis = { of: () => undefined }
    const numbers = new RepositoryNumbers({ apis, clock, log })
    const { onAnswer } = overrides
    const incoming = { door, repositories, numbers, jobs: NO_JOBS, onAnswer }
    const receiver = new Receiver({ ...incoming, clock, log })
    const board = new Board()
    const tokens = new TokenStore(`${dir}/tokens.json`)
    const api: ApiParts = {
      peerId: key.peerId,
      version: '0.0.0-test',
      board,
      clock,
      inbox: store.inbox,
      announcer,
      approvals: new Approvals({ inbox, intake, onEnded: () => undefined, log }),
      door,
      orders,
      orderAgent: () => Promise.reject(new Error('no agent is there')),
      statuses: { open: 0, unsent: 0, givenUp: () => [] },
      readJob: () => Promise.resolve(undefined),
      roster: () => undefined,
      links: () => [],
      health: () => ({ witnesses: [], w: 0, quorum: 0, reachable: 0, hasQuorum: false }),
      epochs: () => [],
      equivocations: () => [],
      metrics: new Metrics(),
      intakeQueued: () => intake.queued,
      stopping: () => false,
      readLog: () => Promise.resolve({ kind: 'absent' }),
      follow: new ScriptedLogs({ board, clock, roster: () => undefined }),
      streams: new LogStreams(),
      cancel: () => Promise.resolve('cancelled'),
      log,
      ...overrides.api
    }
    const app = await createServer({ api, receiver, tokens, log }, overrides)
    await intake.start()
    return new HttpRig({ app, key, store, board, registers, tokens, intake, remove })
  }

  bootMs(): number {
    return clock.bootMs()
  }

  /** A new token's Authorization header. */
  async bearer(scopes: readonly string[] = ['read']): Promise<{ authorization: string }> {
    const parts = { clock, random: systemRandom() }
    const { token } = await this.tokens.create(parts, { name: 'test', scopes })
    return { authorization: `Bearer ${token}` }
  }

  async stop(): Promise<void> {
    await this.app.close()
    await this.intake.stop(0)
    await this.store.close()
    await this.#remove()
  }
}

export interface PushChange {
  readonly repository?: string
  readonly ref?: string
  readonly after?: string
}

/** The body of one push; every call names another commit. */
export function pushBody(change: PushChange = {}): string {
  deliveries += 1
  return JSON.stringify({
    repository: 'team/kernel',
    ref: 'refs/heads/main',
    before: '0'.repeat(40),
    after: deliveries.toString(16).padStart(40, 'b'),
    pusher: 'lena',
    time: '2026-01-01T00:00:00Z',
    ...change
  })
}

export interface Post {
  readonly method: 'POST'
  readonly url: '/hooks/git'
  readonly headers: Record<string, string>
  readonly payload: string | Buffer
}

/** A delivery as the hook posts it, signed with the declared secret now, under a new id. */
export function signedPost(
  payload: string = pushBody(),
  parts: { readonly id?: string; readonly seconds?: number; readonly secret?: string } = {}
): Post {
  deliveries += 1
  const headers = webhookHeaders({
    secret: parts.secret ?? VECTOR.secret,
    id: parts.id ?? `delivery-${deliveries}`,
    seconds: parts.seconds ?? Math.floor(Date.now() / 1000),
    body: payload
  })
  return { method: 'POST', url: '/hooks/git', headers, payload }
}
