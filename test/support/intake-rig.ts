import { rm } from 'node:fs/promises'
import type { GitPush } from '../../gateway/hooks/git-push.ts'
import { Intake } from '../../gateway/intake.ts'
import type { CommitReader, ForgeFacts, Inbox, Recorder } from '../../gateway/ports.ts'
import type { Repositories } from '../../gateway/repositories.ts'
import { originOf, type SourceEvent, subjectOf } from '../../gateway/source-event.ts'
import type { Clock, Random } from '../../protocol/core/ports.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { silentLog } from '../../protocol/host/log.ts'
import type { Delivery } from '../../protocol/store/inbox-store.ts'
import type { MeshStore } from '../../protocol/store/mesh-store.ts'
import { generateKey, type MeshKey } from '../../protocol/wire/keys.ts'
import { runIdOfOrigin } from '../../protocol/wire/run-id.ts'
import { eventually } from './eventually.ts'
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
  temporaryFolder,
  urlOf
} from './gateway-rig.ts'

const clock = systemClock()

/** Retries as soon as it may. */
export const EAGER: Random = { next: () => 0, id: (bytes) => '0'.repeat(bytes * 2) }
/** Waits as long as a back-off can. */
export const PATIENT: Random = { ...EAGER, next: () => 0.999 }

export interface IntakeOverrides {
  readonly inbox?: Inbox
  readonly repositories?: Repositories
  readonly commits?: CommitReader
  readonly facts?: ForgeFacts
  readonly recorder?: Recorder
  readonly clock?: Clock
  readonly random?: Random
  readonly queueMax?: number
  readonly parallelMax?: number
}

type Folder = Awaited<ReturnType<typeof temporaryFolder>>

/** A gateway's intake on a real store, with the mesh's registers outside of it. */
export class IntakeRig {
  readonly key: MeshKey
  readonly registers = new RunRegisters()
  store: MeshStore
  readonly #folder: Folder
  #running: Intake[] = []

  private constructor(parts: { folder: Folder; store: MeshStore; key: MeshKey }) {
    this.#folder = parts.folder
    this.store = parts.store
    this.key = parts.key
  }

  static async make(): Promise<IntakeRig> {
    const folder = await temporaryFolder()
    const key = generateKey()
    return new IntakeRig({ folder, key, store: await openGatewayStore(storeIn(folder), key) })
  }

  /** The gateway's state folder, with its store. */
  get dir(): string {
    return this.#folder.dir
  }

  intake(overrides: IntakeOverrides = {}): Intake {
    const intake = new Intake(
      {
        inbox: overrides.inbox ?? this.store.inbox,
        repositories: overrides.repositories ?? declaredRepositories(),
        commits: overrides.commits ?? new ScriptedCommits(commitOf(PIPELINE)),
        facts: overrides.facts ?? new ScriptedFacts(factsOf()),
        announcer: announcerOf(this.key),
        recorder: overrides.recorder ?? this.registers,
        clock: overrides.clock ?? clock,
        random: overrides.random ?? EAGER,
        log: silentLog()
      },
      { queueMax: overrides.queueMax, parallelMax: overrides.parallelMax }
    )
    this.#running.push(intake)
    return intake
  }

  async put(delivery: Delivery): Promise<Delivery> {
    if ((await this.store.inbox.put(delivery)) === 'known') throw new Error('put twice')
    return delivery
  }

  stateOf(delivery: Delivery): Promise<Delivery | undefined> {
    return this.store.inbox.get(delivery.key)
  }

  /** The delivery once nothing is left to do for it. */
  settled(delivery: Delivery): Promise<Delivery> {
    return eventually(`${delivery.key} is settled`, async () => {
      const found = await this.stateOf(delivery)
      return found !== undefined && found.state !== 'received' && found
    })
  }

  /** The process of before is gone, wherever it was; its files are opened again. */
  async restart(): Promise<void> {
    this.#running = []
    await this.store.close()
    this.store = await openGatewayStore(storeIn(this.#folder), this.key)
  }

  /** Nothing is left of what it wrote; its key is. */
  async loseStore(): Promise<void> {
    this.#running = []
    await this.store.close()
    await rm(storeIn(this.#folder), { recursive: true })
    this.store = await openGatewayStore(storeIn(this.#folder), this.key)
  }

  async stop(): Promise<void> {
    await Promise.all(this.#running.map((intake) => intake.stop(0)))
    await this.store.close()
    await this.#folder.remove()
  }
}

function storeIn({ dir }: Folder): string {
  return `${dir}/store`
}

export function deliveryOf(number: number, change: Partial<Delivery> = {}): Delivery {
  const repository = change.repository ?? 'team/kernel'
  const commit = String(number).padStart(40, 'a')
  const url = change.url ?? urlOf(repository)
  const push: GitPush = {
    repository,
    ref: 'refs/heads/main',
    before: '0'.repeat(40),
    after: commit,
    pusher: 'lena',
    time: '2026-01-01T00:00:00Z'
  }
  return {
    key: `${repository}/delivery-${number}`,
    deliveryId: `delivery-${number}`,
    repository,
    url,
    runId: runIdOfOrigin(originOf({ ...push, kind: 'push' }, url)),
    receivedAtMs: number,
    body: JSON.stringify(push),
    state: 'received',
    reason: '',
    reopenable: false,
    openEpoch: 0,
    sealed: undefined,
    ...change
  }
}

/** A delivery of any event, as the door stores it. */
export function eventDelivery(event: SourceEvent, change: Partial<Delivery> = {}): Delivery {
  const common = deliveryOf(0, change)
  const origin = originOf(event, common.url)
  return {
    ...common,
    key: `${event.repository}/${common.deliveryId}`,
    runId: runIdOfOrigin(origin),
    body: JSON.stringify(event),
    subject: subjectOf(origin),
    ...change
  }
}

/** The same calls as plain properties, so that a test can replace one. */
export function boundInbox(inbox: Inbox): Inbox {
  return {
    put: (delivery) => inbox.put(delivery),
    get: (name) => inbox.get(name),
    byRun: (runId) => inbox.byRun(runId),
    update: (name, patch) => inbox.update(name, patch),
    undone: () => inbox.undone(),
    nextGwSeq: (least) => inbox.nextGwSeq(least),
    closeAnnouncements: (gwSeqs) => inbox.closeAnnouncements(gwSeqs),
    floor: () => inbox.floor(),
    pinEpoch: (runId, epoch) => inbox.pinEpoch(runId, epoch),
    repinEpoch: (runId, epoch) => inbox.repinEpoch(runId, epoch),
    firstEpochOf: (runId) => inbox.firstEpochOf(runId),
    open: () => inbox.open(),
    waiting: () => inbox.waiting(),
    ofSubject: (subject) => inbox.ofSubject(subject)
  }
}
