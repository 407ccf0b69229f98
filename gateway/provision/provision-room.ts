import type { BoardJob } from '../../protocol/core/board-job.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import type { CancelTerms } from '../../protocol/core/job.ts'
import type { Clock, Random } from '../../protocol/core/ports.ts'
import { type JobSpec, runIdOf } from '../../protocol/core/run.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { Member } from '../../protocol/mesh/member.ts'
import type { RowTable } from '../../protocol/store/row-table.ts'
import { runIdOfOrigin } from '../../protocol/wire/run-id.ts'
import type { ReleasedSecret } from '../../protocol/wire/secrets-codec.ts'
import type { ForgeApis } from '../forge/forge-apis.ts'
import type { RunnerValues } from '../forge/runner-api.ts'
import type { Inbox } from '../ports.ts'
import type { Repositories } from '../repositories.ts'
import type { SourceDoor } from '../source-door.ts'
import { ProvisionBook } from './provision-book.ts'
import { Provisioner } from './provisioner.ts'
import { RepositoryTurn } from './repository-turn.ts'
import { RunnerNames } from './runner-name.ts'
import { RunnerRelease } from './runner-release.ts'

export interface ProvisionRoomParts {
  readonly member: Pick<Member, 'board' | 'roster' | 'on'>
  readonly repositories: Repositories
  readonly apis: Pick<ForgeApis, 'of'>
  readonly table: RowTable
  readonly inbox: Pick<Inbox, 'byRun'>
  readonly door: Pick<SourceDoor, 'admit'>
  readonly cancel: (job: BoardJob, terms: CancelTerms) => Promise<unknown>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** A slot whose holder asks for its configuration. */
export interface HeldSlot {
  /** `runId.0` */
  readonly job: string
  readonly epoch: number
  readonly spec: Pick<JobSpec, 'runner' | 'secrets'>
  /** Its runner runs already: only what this attempt was given is wanted, to be hidden. */
  readonly goesOn: boolean
}

/** The forges' own runners as payload, put together. */
export class ProvisionRoom {
  readonly provisioner: Provisioner
  readonly #release: RunnerRelease
  readonly #member: ProvisionRoomParts['member']
  #names: { readonly authority: string; readonly names: RunnerNames } | undefined
  #forget: () => void = () => undefined

  constructor(parts: ProvisionRoomParts) {
    const { member, repositories, apis, table, inbox, door, cancel, clock, random, log } = parts
    this.#member = member
    const { board } = member
    const book = new ProvisionBook(table)
    const names = (): RunnerNames | undefined => this.#namesOf()
    const shared = { apis, book, names, clock, log }
    this.#release = new RunnerRelease({ ...shared, repositories })
    const of = { ...shared, board, inbox, door, cancel, release: this.#release }
    const turn = new RepositoryTurn({ ...of, runIdOf: runIdOfOrigin })
    this.provisioner = new Provisioner({ repositories, turn, book, clock, random, log })
  }

  /** Goes on where the process before has ended. Throws STORE_SUSPECT, STORE_FAILED. */
  async start(): Promise<void> {
    this.#forget = this.#member.on((event) => {
      if (event.kind === 'job') this.#noteRun(runIdOf(event.jobId))
      if (event.kind === 'run') this.#noteRun(event.runId)
    })
    await this.provisioner.start()
  }

  async stop(): Promise<void> {
    this.#forget()
    await this.provisioner.stop()
  }

  /**
   * What a slot's runner is configured with, as the secrets that its spec names; undefined where it
   * gets none, and of one that goes on where that is not known any more. Rejects as RunnerRelease
   * does.
   */
  async configure(slot: HeldSlot): Promise<readonly ReleasedSecret[] | undefined> {
    const { job, epoch, spec, goesOn } = slot
    const values = goesOn ? await this.#release.given(job, epoch) : await this.#made(slot)
    return (
      values &&
      (spec.secrets ?? []).map(({ name }) => {
        const value = values[name]
        if (value === undefined) throw new MeshError('BUG', { problem: `no ${name} for ${job}` })
        return { name, value: Buffer.from(value) }
      })
    )
  }

  async #made({ job, epoch, spec }: HeldSlot): Promise<RunnerValues | undefined> {
    const manifest = this.#member.board.run(runIdOf(job))?.sealed.announcement.manifest
    if (manifest === undefined) return undefined
    const { repository, origin } = manifest
    const order = { slot: job, epoch, repository, job: origin.number, spec }
    const values = await this.#release.release(order)
    // Whatever it is refused for, the slot may have to end for it.
    if (values === undefined) this.provisioner.noteSlot(repository)
    return values
  }

  /** What the log of a slot must not show; nothing of others. */
  readonly hiddenOf = (job: string): readonly Uint8Array[] =>
    this.#release.valuesOf(job).map((value) => Buffer.from(value))

  #noteRun(runId: string): void {
    const manifest = this.#member.board.run(runId)?.sealed.announcement.manifest
    if (manifest?.origin.event !== 'workflow_job') return
    this.provisioner.noteSlot(manifest.repository)
  }

  #namesOf(): RunnerNames | undefined {
    const authority = this.#member.roster()?.roster.authority
    if (authority === undefined) return undefined
    if (this.#names?.authority !== authority) {
      this.#names = { authority, names: new RunnerNames(authority) }
    }
    return this.#names.names
  }
}
