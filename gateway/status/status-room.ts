import { STATUS_LOOK_EVERY_MS } from '../../protocol/core/forge-limits.ts'
import type { Clock, Random } from '../../protocol/core/ports.ts'
import { runIdOf } from '../../protocol/core/run.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { Member } from '../../protocol/mesh/member.ts'
import type { RowTable } from '../../protocol/store/row-table.ts'
import type { ForgeApis } from '../forge/forge-apis.ts'
import type { Inbox } from '../ports.ts'
import type { Repositories } from '../repositories.ts'
import { ApprovalsTold } from './approvals-told.ts'
import { Outbox } from './outbox.ts'
import { StatusReporter } from './status-reporter.ts'
import { DeclaredSender } from './status-sender.ts'

export interface StatusRoomParts {
  readonly member: Pick<Member, 'board' | 'roster' | 'node' | 'on'>
  readonly table: RowTable
  readonly inbox: Pick<Inbox, 'waiting' | 'get' | 'byRun'>
  readonly repositories: Repositories
  readonly apis: Pick<ForgeApis, 'of'>
  /** Peer id of this gateway. */
  readonly self: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** What forges are told of runs, put together. */
export class StatusRoom {
  readonly outbox: Outbox
  readonly reporter: StatusReporter
  readonly #approvals: ApprovalsTold
  readonly #member: StatusRoomParts['member']
  readonly #clock: Clock
  #disarm: () => void = () => undefined
  #forget: () => void = () => undefined

  constructor(parts: StatusRoomParts, options: { readonly publicUrl: string | undefined }) {
    const { member, table, inbox, repositories, apis, self, clock, random, log } = parts
    this.#member = member
    this.#clock = clock
    const sender = new DeclaredSender({ repositories, apis, clock })
    this.outbox = new Outbox({ table, sender, clock, random, log })
    const linked = (): ReadonlySet<string> => {
      const members = new Set(member.roster()?.roster.members.map(({ peerId }) => peerId))
      const links = member.node.links().map(({ peerId }) => peerId)
      return new Set(links.filter((peer) => members.has(peer)))
    }
    const { board } = member
    this.reporter = new StatusReporter(
      { board, outbox: this.outbox, repositories, self, linked, clock, log },
      options
    )
    const { outbox, reporter } = this
    this.#approvals = new ApprovalsTold({ inbox, outbox, reporter, log })
  }

  /** Goes on where the process before has ended. Throws STORE_SUSPECT, STORE_FAILED. */
  async start(): Promise<void> {
    await this.outbox.start()
    this.#forget = this.#member.on((event) => {
      if (event.kind === 'job') this.reporter.note(runIdOf(event.jobId))
      if (event.kind === 'run') this.reporter.note(event.runId)
    })
    this.reporter.start()
    this.#lookForApprovals()
  }

  /** A delivery has ended without an announcement: it may wait for a person, or do so no more. */
  noteEnded(): void {
    void this.#approvals.look()
  }

  async stop(limitMs: number): Promise<void> {
    this.#forget()
    this.#disarm()
    this.reporter.stop()
    await this.outbox.stop(limitMs)
  }

  #lookForApprovals(): void {
    this.noteEnded()
    this.#disarm = this.#clock.arm(STATUS_LOOK_EVERY_MS, () => this.#lookForApprovals())
  }
}
