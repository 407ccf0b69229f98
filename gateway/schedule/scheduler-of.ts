import type { Board } from '../../protocol/core/board.ts'
import type { RunOrigin } from '../../protocol/core/run.ts'
import { isSameMinute } from './planned.ts'
import { RepositorySchedule, type RepositoryScheduleParts } from './repository-schedule.ts'
import { Scheduler, type SchedulerParts } from './scheduler.ts'

export interface SchedulerOfParts
  extends Omit<SchedulerParts, 'schedule'>,
    Omit<RepositoryScheduleParts, 'isKnown'> {
  readonly board: Pick<Board, 'runs'>
}

/** The calendar of a gateway that knows of others' runs by its board. */
export function schedulerOf({ board, ...parts }: SchedulerOfParts): Scheduler {
  const isKnown = (origin: RunOrigin): boolean =>
    board.runs().some(({ sealed }) => {
      return isSameMinute(origin, sealed.announcement.manifest.origin)
    })
  return new Scheduler({ ...parts, schedule: new RepositorySchedule({ ...parts, isKnown }) })
}
