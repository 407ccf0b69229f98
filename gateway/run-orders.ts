import { MeshError } from '../protocol/core/errors.ts'
import { ORDER_LOOKS_MAX } from '../protocol/core/order-limits.ts'
import type { Clock, Random } from '../protocol/core/ports.ts'
import type { Log } from '../protocol/host/log.ts'
import { parsePipeline } from '../protocol/pipeline/parse-pipeline.ts'
import { declaredFor } from './announce.ts'
import type { Heads } from './forge/forge-api.ts'
import type { Inbox } from './ports.ts'
import type { Repositories, Repository } from './repositories.ts'
import type { Reception, SourceDoor } from './source-door.ts'
import { eventOf, type InlinePipeline } from './source-event.ts'

export interface RunOrdersParts {
  readonly repositories: Pick<Repositories, 'find' | 'findSame'>
  readonly inbox: Pick<Inbox, 'byRun'>
  readonly door: Pick<SourceDoor, 'admit'>
  /** Branches and tags as they are now. Rejects with FORGE_UNREACHABLE and the like. */
  readonly headsOf: (repository: Repository, signal: AbortSignal) => Promise<Heads>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** Who orders, and what makes two orders one; without a key each is its own. */
export interface Orderer {
  readonly by: string
  readonly key: string | undefined
}

export interface StartOrder extends Orderer {
  /** As gateway.yaml names it. */
  readonly repository: string
  /** `main`, `v1` or a full ref; absent, the one that `commit` is the head of. */
  readonly ref: string | undefined
  /** Full commit id; absent, where `ref` is now. */
  readonly commit: string | undefined
  readonly inputs: Readonly<Record<string, string>>
  /** In place of the commit's pipeline file; absent, that one. */
  readonly pipeline?: InlinePipeline | undefined
}

export interface RetryOrder extends Orderer {
  /** Names of the jobs that are wanted, with what they need; absent is all of the run's. */
  readonly jobs?: readonly string[] | undefined
}

/** Bytes of randomness that stand for a key. */
const KEY_BYTES = 16

/** Runs that people ask for; by the door that hooks have, so that one order is one run. */
export class RunOrders {
  readonly #parts: RunOrdersParts
  readonly #abort = new AbortController()
  #looks = 0

  constructor(parts: RunOrdersParts) {
    this.#parts = parts
  }

  /**
   * A run of event `manual`. Its commit must be where a branch or tag is now: how far a run is
   * trusted hangs on its ref, and a server may give commits that no branch of it ever had, a
   * fork's among them. Rejects with PIPELINE_INVALID, REPOSITORY_UNDECLARED, REF_UNKNOWN,
   * COMMIT_ELSEWHERE, OVERLOADED, as headsOf does, and as the door does.
   */
  async start(order: StartOrder): Promise<Reception> {
    const { repositories, clock, log } = this.#parts
    const { by, inputs, pipeline } = order
    if (pipeline !== undefined) checkPipeline(pipeline.text)
    const repository = repositories.find(order.repository)
    if (repository === undefined) {
      throw new MeshError('REPOSITORY_UNDECLARED', { repository: order.repository })
    }
    const nonce = `start-${this.#keyOf(order)}`
    const { ref, commit } = placeOf(await this.#heads(repository), order)
    const { name } = repository
    const what = { repository: name, ref, commit }
    const asked = { kind: 'manual', ...what, inputs, pusher: by, nonce } as const
    const event = pipeline === undefined ? asked : { ...asked, pipeline }
    const receivedAtMs = clock.wallMs()
    const arrival = { bringer: 'manual', id: nonce, event, repository, receivedAtMs } as const
    const reception = await this.#parts.door.admit(arrival)
    log.info({ ...what, by, run: reception.run, verdict: reception.verdict }, 'run ordered')
    return reception
  }

  /**
   * A run anew, as a run of its own: its event once more. What it is of is judged by the
   * settings, and of a pull request by the forge, as they are now. `runId` has ended. Rejects with
   * RUN_ELSEWHERE, REPOSITORY_ABSENT, REPOSITORY_MOVED, and as the door does.
   */
  async retry(runId: string, order: RetryOrder): Promise<Reception> {
    const { inbox, door, clock, log } = this.#parts
    const delivery = await inbox.byRun(runId)
    if (delivery === undefined) throw new MeshError('RUN_ELSEWHERE', { id: runId })
    const repository = declaredFor(this.#parts, delivery)
    const nonce = `retry-${runId}-${this.#keyOf(order)}`
    const { jobs } = order
    const event = { ...eventOf(delivery), nonce, ...(jobs === undefined ? {} : { jobs }) }
    const receivedAtMs = clock.wallMs()
    const arrival = { bringer: 'manual', id: nonce, event, repository, receivedAtMs } as const
    const reception = await door.admit(arrival)
    const { run, verdict } = reception
    log.info({ of: runId, by: order.by, run, verdict }, 'run ordered anew')
    return reception
  }

  /** Ends the looks at Git servers that are under way. */
  stop(): void {
    this.#abort.abort()
  }

  #keyOf({ key }: Orderer): string {
    return key ?? this.#parts.random.id(KEY_BYTES)
  }

  async #heads(repository: Repository): Promise<Heads> {
    if (this.#looks >= ORDER_LOOKS_MAX) {
      throw new MeshError('OVERLOADED', { what: 'the list of orders', max: ORDER_LOOKS_MAX })
    }
    this.#looks += 1
    try {
      return await this.#parts.headsOf(repository, this.#abort.signal)
    } finally {
      this.#looks -= 1
    }
  }
}

/** Whoever has brought it is told at once. Throws PIPELINE_INVALID. */
function checkPipeline(text: string): void {
  const file = 'pipeline'
  const parsed = parsePipeline(new TextEncoder().encode(text), { file })
  if (parsed.kind === 'ok') return
  const { line, column, path = 'top level', message } = parsed.error
  const problem = message.replace(/^[^ ]*: /, '').replace(`${path}: `, '')
  throw new MeshError('PIPELINE_INVALID', { file, line, column, path, problem })
}

interface RefPlace {
  readonly ref: string
  readonly commit: string
}

/** Throws REF_UNKNOWN, COMMIT_ELSEWHERE, REQUEST_INVALID. */
function placeOf(heads: Heads, { repository, ref: wanted, commit }: StartOrder): RefPlace {
  if (wanted !== undefined) {
    const names = [wanted, `refs/heads/${wanted}`, `refs/tags/${wanted}`]
    const ref = names.find((each) => heads.has(each))
    const at = ref === undefined ? undefined : heads.get(ref)
    if (ref === undefined || at === undefined) {
      throw new MeshError('REF_UNKNOWN', { repository, ref: wanted })
    }
    if (commit === undefined || commit === at) return { ref, commit: at }
    throw new MeshError('COMMIT_ELSEWHERE', { repository, commit, ref, at })
  }
  if (commit === undefined) {
    throw new MeshError('REQUEST_INVALID', { problem: 'name a ref, a commit, or both' })
  }
  const refs = [...heads].filter(([, at]) => at === commit).map(([ref]) => ref)
  const [ref] = refs
  if (ref === undefined) throw new MeshError('REF_UNKNOWN', { repository, ref: commit })
  if (refs.length === 1) return { ref, commit }
  // Which one it is decides what starts, and how far it is trusted.
  const some = refs.slice(0, 5).join(', ')
  throw new MeshError('REQUEST_INVALID', { problem: `commit is at ${some}: name the ref as well` })
}
