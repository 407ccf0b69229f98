import type { HealthLine } from './witness-lines.ts'

/** An earlier witness epoch, as far as it is told: see EpochHealth of the mesh. */
export interface SeenEpoch {
  readonly witnessEpoch: number
  readonly witnesses: number
  readonly reachable: number
  readonly quorum: number
  readonly away: readonly string[]
  readonly hasQuorum: boolean
  readonly isSealed: boolean
  readonly stuck: number
  readonly moving: number
}

/** What people must know of earlier witness epochs; empty where nothing waits for one. */
export function epochLines(epochs: readonly SeenEpoch[]): readonly HealthLine[] {
  return epochs.flatMap((epoch) => [...awayLines(epoch), ...movingLines(epoch)])
}

function awayLines(epoch: SeenEpoch): readonly HealthLine[] {
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

function movingLines({ witnessEpoch, moving }: SeenEpoch): readonly HealthLine[] {
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
