import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { repositorySchema } from '../../gateway/config.ts'
import type { RunnerForge } from '../../gateway/forge/runner-api.ts'
import type { Recorder } from '../../gateway/ports.ts'
import { loadProvision } from '../../gateway/provision/load-provision.ts'
import { ProvisionRoom } from '../../gateway/provision/provision-room.ts'
import { Repositories, type Repository } from '../../gateway/repositories.ts'
import { makeSecretsKey } from '../../gateway/secrets/secret-key.ts'
import { SourceDoor } from '../../gateway/source-door.ts'
import { Board } from '../../protocol/core/board.ts'
import type { BoardJob } from '../../protocol/core/board-job.ts'
import type { CancelTerms, JobOpBody } from '../../protocol/core/job.ts'
import { jobIdOf, type SealedAnnouncement } from '../../protocol/core/run.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { generateKey } from '../../protocol/wire/keys.ts'
import { runIdOfOrigin } from '../../protocol/wire/run-id.ts'
import { FakeClock } from './fake-clock.ts'
import { type ForgeRig, forgeRig } from './forge-rig.ts'
import { Gate } from './gate.ts'
import { repositoryOf } from './gateway-rig.ts'
import { boundInbox, IntakeRig } from './intake-rig.ts'
import { jobLife } from './run-life.ts'
import { SeededRandom } from './seeded-random.ts'

type Deed = readonly [actor: string, body: JobOpBody]

/** What every member of a mesh comes to know, all of them at once. */
export class SlotMesh {
  /** Of the gateways that start from now on. */
  board = new Board()
  readonly clock = new FakeClock()
  /** Before a slot is on the board. */
  readonly beforeBoard = new Gate()
  /** Before a turn learns whether a slot is on its way there. */
  readonly beforeInbox = new Gate()
  readonly authority = generateKey().peerId
  readonly #runs = new Map<string, SealedAnnouncement>()
  readonly #deeds = new Map<string, Deed[]>()
  readonly #listeners = new Set<(runId: string) => void>()
  #claims = 0

  on(listener: (event: { kind: 'run'; runId: string }) => void): () => void {
    const tell = (runId: string): void => listener({ kind: 'run', runId })
    this.#listeners.add(tell)
    return () => this.#listeners.delete(tell)
  }

  /** The registers: the first announcement of a run is the one that counts. */
  recorder(): Recorder {
    return {
      witnessEpoch: () => 1,
      isLost: () => false,
      recordRun: async (sealed) => {
        const { runId } = sealed.announcement
        const chosen = this.#runs.get(runId) ?? sealed
        this.#runs.set(runId, chosen)
        return chosen
      },
      publish: async (sealed) => {
        await this.beforeBoard.pass(sealed.announcement.runId)
        this.board.addRun(sealed, this.clock.wallMs())
        this.#tell(sealed.announcement.runId)
      }
    }
  }

  /** A gateway that starts now knows of no run yet, until it has heard of all again. */
  emptyBoard(): void {
    this.board = new Board()
  }

  hearAgain(): void {
    for (const [runId, sealed] of this.#runs) {
      this.board.addRun(sealed, this.clock.wallMs())
      const deeds = this.#deeds.get(jobIdOf(runId, 0))
      if (deeds !== undefined) {
        this.board.foldJob(jobLife(sealed, 0, ...deeds), this.clock.wallMs())
      }
      this.#tell(runId)
    }
  }

  /** Slots that have not ended, in the order of their jobs on the forge. */
  live(): readonly BoardJob[] {
    const jobs = this.board.jobs({ event: 'workflow_job' })
    const open = jobs.filter(({ state }) => !ENDED.has(state?.phase ?? 'queued'))
    return open.toSorted((a, b) => Number(this.jobOf(a)) - Number(this.jobOf(b)))
  }

  /** The forge's number of the job that a slot was started for. */
  jobOf({ runId }: Pick<BoardJob, 'runId'>): string {
    return this.board.run(runId)?.sealed.announcement.manifest.origin.number ?? ''
  }

  phaseOf(slot: string): string {
    return this.board.job(slot)?.state?.phase ?? 'queued'
  }

  epochOf(slot: string): number {
    return this.board.job(slot)?.state?.epoch ?? 0
  }

  /** By a host that nobody knew before; takes over what another one holds. */
  claim(slot: string): number {
    this.#claims += 1
    const claimId = String(this.#claims).padStart(32, '0')
    this.#do(slot, { kind: 'claim', claimId, boot: 'b'.repeat(16), leaseMs: 30_000 })
    return this.epochOf(slot)
  }

  end(slot: string, state: 'succeeded' | 'failed'): void {
    const { lease, epoch = 0 } = this.board.job(slot)?.state ?? {}
    const reason = state === 'succeeded' ? ('completed' as const) : ('exit_code' as const)
    const outcome = { epoch, state, reason, exitCode: state === 'succeeded' ? 0 : 1 } as const
    const rest = { message: '', steps: [], durationMs: 1, logDigest: '', logLines: 0 }
    const claimId = lease?.claimId ?? ''
    this.#do(slot, { kind: 'complete', epoch, claimId, outcome: { ...outcome, ...rest } })
  }

  readonly cancel = async ({ jobId }: BoardJob, terms: CancelTerms): Promise<void> => {
    this.#do(jobId, { kind: 'cancel', ...terms })
  }

  #do(slot: string, body: JobOpBody): void {
    const sealed = this.#runs.get(slot.split('.')[0] ?? '')
    if (sealed === undefined) throw new Error(`no slot ${slot}`)
    const holder = this.board.job(slot)?.state?.lease?.holder
    const actor = body.kind === 'claim' ? `agent-${this.#claims}` : (holder ?? 'gateway')
    const deeds = [...(this.#deeds.get(slot) ?? []), [actor, body] as const]
    this.#deeds.set(slot, deeds)
    this.board.foldJob(jobLife(sealed, 0, ...deeds), this.clock.wallMs())
    this.#tell(sealed.announcement.runId)
  }

  #tell(runId: string): void {
    for (const listener of this.#listeners) listener(runId)
  }
}

const ENDED: ReadonlySet<string> = new Set([
  'succeeded',
  'failed',
  'errored',
  'cancelled',
  'skipped'
])

export interface ProvisionWish {
  readonly slots?: number
  readonly forks?: 'refuse' | 'run'
  readonly idle?: string
  readonly runners?: readonly object[]
  /** gateway.yaml has it no more. */
  readonly isWithoutProvision?: boolean
  /** As before it has read what the process before has written. */
  readonly isUnread?: boolean
}

/** One gateway's slots: real store, intake and door, a real client of a fake forge over HTTP. */
export class SlotGateway {
  readonly room: ProvisionRoom
  readonly repository: Repository
  readonly #mesh: IntakeRig
  readonly #stop: () => Promise<void>

  private constructor(parts: {
    room: ProvisionRoom
    repository: Repository
    mesh: IntakeRig
    stop: () => Promise<void>
  }) {
    this.room = parts.room
    this.repository = parts.repository
    this.#mesh = parts.mesh
    this.#stop = parts.stop
  }

  static async start(
    world: SlotMesh,
    { apis, repository, holder }: ForgeRig,
    kind: RunnerForge,
    wish: ProvisionWish = {},
    rig?: IntakeRig
  ): Promise<SlotGateway> {
    const mesh = rig ?? (await IntakeRig.make())
    const declared = provisionedRepository(kind, holder.url, repository.path, wish)
    const repositories = new Repositories([declared])
    const intake = mesh.intake({ repositories, recorder: world.recorder() })
    await intake.start()
    const { inbox, provisions: table } = mesh.store
    const disk = { problem: undefined }
    const door = new SourceDoor({ inbox, intake, disk, runIdOf: runIdOfOrigin })
    const member = {
      board: world.board,
      roster: () => ({ roster: { authority: world.authority } }),
      on: (listener: never) => world.on(listener)
    }
    const { clock, cancel } = world
    const random = new SeededRandom(3)
    const log = silentLog()
    const keyFile = keyFileOf(mesh)
    ;(await makeSecretsKey(keyFile)).fill(0)
    const room = new ProvisionRoom({
      ...{ member: member as never, repositories, apis, table, door, cancel },
      inbox: {
        ...boundInbox(inbox),
        byRun: async (runId) => {
          await world.beforeInbox.pass(runId)
          return await inbox.byRun(runId)
        }
      },
      ...{ keyFile, clock, random, log }
    })
    if (wish.isUnread !== true) {
      await room.open()
      await room.start()
    }
    const stop = async (): Promise<void> => {
      await room.stop()
      await intake.stop(0)
    }
    const gateway = new SlotGateway({ room, repository: declared, mesh, stop })
    onTestFinished(async () => {
      await stop()
      if (rig === undefined) await mesh.stop()
    })
    return gateway
  }

  get store(): IntakeRig {
    return this.#mesh
  }

  /** As when its process is gone. */
  async stop(): Promise<void> {
    await this.#stop()
  }

  /** What the holder of a slot gets. */
  async configure(world: SlotMesh, slot: string, goesOn = false) {
    const spec = world.board.job(slot)?.spec
    if (spec === undefined) throw new Error(`no slot ${slot}`)
    const epoch = world.epochOf(slot)
    const found = await this.room.configure({ job: slot, epoch, spec, goesOn })
    return found?.map(({ name, value }) => [name, Buffer.from(value).toString()] as const)
  }
}

/** Beside the store, and not in it. */
export function keyFileOf({ dir }: Pick<IntakeRig, 'dir'>): string {
  return join(dir, 'secrets.key')
}

export function provisionedRepository(
  kind: RunnerForge,
  url: string,
  path: string,
  { slots = 4, forks = 'refuse', idle = '10m', runners, isWithoutProvision }: ProvisionWish = {}
): Repository {
  const own = [{ labels: ['linux', 'big'], image: 'runner:1', slots, idle }]
  const entry = repositorySchema.parse({
    name: path,
    forge: kind,
    url,
    secret_file: 'hook.secret',
    credential: 'forge',
    provision: { forks, runners: runners ?? own }
  })
  return {
    ...repositoryOf(kind, path, { url }),
    credential: 'forge',
    provision: isWithoutProvision === true ? undefined : loadProvision(entry)
  }
}

export async function slotRig(kind: RunnerForge, wish: ProvisionWish = {}) {
  const world = new SlotMesh()
  const rig = await forgeRig(kind)
  const gateway = await SlotGateway.start(world, rig, kind, wish)
  return { world, rig, gateway, repository: rig.repository, actions: rig.repository.actions }
}
