import type { BoardJob } from '../../protocol/core/board-job.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import type { CancelTerms } from '../../protocol/core/job.ts'
import type { Clock, Random } from '../../protocol/core/ports.ts'
import { type JobSpec, jobIdOf, runIdOf } from '../../protocol/core/run.ts'
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
import { GivenSeal } from './given-seal.ts'
import { ProvisionBook } from './provision-book.ts'
import { Provisioner } from './provisioner.ts'
import { RepositoryTurn } from './repository-turn.ts'
import { RunnerNames } from './runner-name.ts'
import { RunnerRelease } from './runner-release.ts'
import { isOpen } from './slot-ends.ts'

export interface ProvisionRoomParts {
  readonly member: Pick<Member, 'board' | 'roster' | 'on'>
  readonly repositories: Repositories
  readonly apis: Pick<ForgeApis, 'of'>
  readonly table: RowTable
  /** The key of this gateway's secrets: in no database. */
  readonly keyFile: string
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
  readonly #book: ProvisionBook
  readonly #parts: Pick<ProvisionRoomParts, 'repositories' | 'inbox'>
  #names: { readonly authority: string; readonly names: RunnerNames } | undefined
  #forget: () => void = () => undefined
  #isOpened = false

  constructor(parts: ProvisionRoomParts) {
    const { member, repositories, apis, table, inbox, door, cancel, clock, random, log } = parts
    const seal = new GivenSeal(parts.keyFile)
    this.#member = member
    this.#parts = { repositories, inbox }
    const { board } = member
    const book = new ProvisionBook(table)
    this.#book = book
    const names = (): RunnerNames | undefined => this.#namesOf()
    const shared = { apis, book, names, clock, log }
    this.#release = new RunnerRelease({ ...shared, repositories, seal })
    const of = { ...shared, board, inbox, door, cancel, release: this.#release }
    const turn = new RepositoryTurn({ ...of, runIdOf: runIdOfOrigin })
    this.provisioner = new Provisioner({ repositories, turn, book, clock, random, log })
  }

  /**
   * Reads what the process before has written: before anybody may ask for a configuration or send a
   * line, as else a second runner would be made, and the line kept bare. Throws STORE_SUSPECT.
   */
  async open(): Promise<void> {
    await this.#book.load()
    this.#isOpened = true
  }

  /** Goes on where the process before has ended. Throws STORE_FAILED. */
  async start(): Promise<void> {
    this.#forget = this.#member.on((event) => {
      if (event.kind === 'job') this.#noteRun(runIdOf(event.jobId))
      if (event.kind === 'run') this.#noteRun(event.runId)
    })
    await this.#sweep()
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
    this.#needBook()
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

  /** The run's epochs are counted from one again: its next attempt is none that was before. */
  beginAnew(runId: string): void {
    this.#release.beginAnew(jobIdOf(runId, 0))
  }

  /** What the log of a slot must not show; nothing of others. Rejects as RunnerRelease does. */
  readonly hiddenOf = async (job: string): Promise<readonly Uint8Array[]> => {
    this.#needBook()
    return (await this.#release.valuesOf(job)).map((value) => Buffer.from(value))
  }

  /** Unread it would say that nothing was ever given. */
  #needBook(): void {
    if (!this.#isOpened) throw new MeshError('BUG', { problem: 'the book of slots is not read' })
  }

  /** To slots of repositories that have no `provision` any more, no turn ever comes. */
  async #sweep(): Promise<void> {
    const { repositories, inbox } = this.#parts
    const over: string[] = []
    for (const { slot, repository } of this.#book.sealed()) {
      if (repositories.find(repository)?.provision !== undefined) continue
      if (!(await isOpen(inbox, slot))) over.push(slot)
    }
    await this.#book.unseal(over)
  }

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
