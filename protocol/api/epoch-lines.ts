import type { EpochHealth } from '../core/epochs.ts'
import type { HealthLine } from './witness-lines.ts'

/** What people must know of earlier witness epochs; empty where nothing waits for one. */
export function epochLines(epochs: readonly EpochHealth[]): readonly HealthLine[] {
  return epochs.flatMap((epoch) => [...awayLines(epoch), ...movingLines(epoch)])
}

function awayLines(epoch: EpochHealth): readonly HealthLine[] {
  const { witnessEpoch, witnesses, reachable, quorum, away, stuck } = epoch
  const isInTheWay = epoch.isSealed && !epoch.hasQuorum
  if (!isInTheWay && stuck === 0) return []
  const waiting = [
    ...(stuck > 0 ? [`${counted(stuck, 'open job')} there cannot go on`] : []),
    ...(isInTheWay ? ['runs that may have begun there wait before they begin'] : [])
  ]
  const message =
    `witness epoch ${witnessEpoch}: ${reachable} of ${witnesses} witnesses are reachable, ` +
    `${quorum} of a run are needed: ${waiting.join(', and ')}`
  const fix =
    `start ${away.join(', ')}; once a majority will never come back, run ` +
    `\`agent reseal --epoch ${witnessEpoch}\``
  return [{ code: 'EPOCH_UNREACHABLE', message, fix }]
}

function movingLines({ witnessEpoch, moving }: EpochHealth): readonly HealthLine[] {
  if (moving === 0) return []
  const message =
    `${counted(moving, 'open job')} of witness epoch ${witnessEpoch} ` +
    `${moving === 1 ? 'waits' : 'wait'} to move to the present witnesses`
  const fix = 'keep the other witnesses of that epoch running until this line is gone'
  return [{ code: 'JOBS_TO_MOVE', message, fix }]
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
