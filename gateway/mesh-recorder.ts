import { MeshError } from '../protocol/core/errors.ts'
import { INTAKE_RECORD_MS_MAX } from '../protocol/core/limits.ts'
import type { Clock } from '../protocol/core/ports.ts'
import { isLost } from '../protocol/core/roster-rules.ts'
import type { SealedAnnouncement } from '../protocol/core/run.ts'
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
    let sealing: number | undefined
    const onSealing = (epoch: number | undefined): void => {
      sealing = epoch
    }
    const disarm = clock.arm(INTAKE_RECORD_MS_MAX, () => limit.abort(this.#unreachable(sealing)))
    const onAbort = (): void => limit.abort(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    try {
      return await member.recordRun(sealed, { fromEpoch, signal: limit.signal, onSealing })
    } finally {
      disarm()
      signal.removeEventListener('abort', onAbort)
    }
  }

  async publish(sealed: SealedAnnouncement): Promise<void> {
    await this.#parts.member.publish(sealed)
  }

  /** `sealing` is the earlier witness epoch that the run waited for. */
  #unreachable(sealing: number | undefined): MeshError {
    if (sealing !== undefined) {
      const seen = this.#parts.member.epochs().find((one) => one.witnessEpoch === sealing)
      // Without its roster nobody knows its witnesses.
      const { reachable: answered = 0, witnesses = 'unknown', quorum = 'a majority' } = seen ?? {}
      return new MeshError('EPOCH_UNREACHABLE', { epoch: sealing, answered, witnesses, quorum })
    }
    const { reachable: answered, w: witnesses, quorum } = this.#parts.member.health()
    return new MeshError('QUORUM_UNREACHABLE', { answered, witnesses, quorum })
  }
}
