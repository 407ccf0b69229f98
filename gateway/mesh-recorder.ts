import { MeshError } from '../protocol/core/errors.ts'
import { DISK_ROOM_PERCENT, INTAKE_RECORD_MS_MAX } from '../protocol/core/limits.ts'
import type { Clock } from '../protocol/core/ports.ts'
import { isLost } from '../protocol/core/roster-rules.ts'
import type { SealedAnnouncement } from '../protocol/core/run.ts'
import type { RecordWait } from '../protocol/mesh/board/run-recorder.ts'
import type { Member } from '../protocol/mesh/member.ts'
import type { Recorder } from './ports.ts'

export interface MeshRecorderParts {
  readonly member: Pick<Member, 'roster' | 'health' | 'epochs' | 'recordRun' | 'publish'>
  readonly clock: Clock
}

/** The intake's view of the mesh. */
export class MeshRecorder implements Recorder {
  readonly #parts: MeshRecorderParts

  constructor(parts: MeshRecorderParts) {
    this.#parts = parts
  }

  witnessEpoch(): number | undefined {
    return this.#parts.member.roster()?.roster.witnessEpoch
  }

  isLost(witnessEpoch: number): boolean {
    return isLost(this.#parts.member.roster()?.roster, witnessEpoch)
  }

  /**
   * The member tries without end. Here one try has: else a few runs whose witnesses are away would
   * keep all others from being recorded.
   */
  async recordRun(
    sealed: SealedAnnouncement,
    signal: AbortSignal,
    fromEpoch?: number
  ): Promise<SealedAnnouncement> {
    const { member, clock } = this.#parts
    const limit = new AbortController()
    let wait: RecordWait | undefined
    const onWaiting = (next: RecordWait | undefined): void => {
      wait = next
    }
    const disarm = clock.arm(INTAKE_RECORD_MS_MAX, () => limit.abort(this.#why(wait)))
    const onAbort = (): void => limit.abort(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    try {
      return await member.recordRun(sealed, { fromEpoch, signal: limit.signal, onWaiting })
    } finally {
      disarm()
      signal.removeEventListener('abort', onAbort)
    }
  }

  async publish(sealed: SealedAnnouncement): Promise<void> {
    await this.#parts.member.publish(sealed)
  }

  #why(wait: RecordWait | undefined): MeshError {
    const { member } = this.#parts
    if (wait?.kind === 'disks') {
      const members = member.roster()?.roster.members ?? []
      const names = wait.peers.map((peer) => {
        return members.find(({ peerId }) => peerId === peer)?.name ?? peer
      })
      const state = `witness ${names.join(', ')}`
      return new MeshError('DISK_LOW', { state, again: DISK_ROOM_PERCENT })
    }
    if (wait?.kind === 'epoch') {
      const { witnessEpoch: epoch } = wait
      const seen = member.epochs().find(({ witnessEpoch }) => witnessEpoch === epoch)
      // Without its roster nobody knows its witnesses.
      const { reachable: answered = 0, witnesses = 'unknown', quorum = 'a majority' } = seen ?? {}
      return new MeshError('EPOCH_UNREACHABLE', { epoch, answered, witnesses, quorum })
    }
    const { reachable: answered, w: witnesses, quorum } = member.health()
    return new MeshError('QUORUM_UNREACHABLE', { answered, witnesses, quorum })
  }
}
