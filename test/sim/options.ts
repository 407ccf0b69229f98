import type { LeaseProfileName } from '../../protocol/core/roster.ts'
import type { Timeline } from '../support/timeline.ts'

/** What may go wrong in one world; a share, or a kind of trouble that is on or off. */
export interface Faults {
  readonly lossRate: number
  readonly duplicateRate: number
  readonly delayMsMax: number
  readonly strayMsMax: number
  readonly gossipLossRate: number
  readonly syncMsMax: number
  readonly hostileRate: number
  readonly kinds: readonly FaultKind[]
  /** True milliseconds between two faults at most. */
  readonly everyMsMax: number
}

export type FaultKind =
  | 'crash'
  | 'restart'
  | 'pause'
  | 'suspend'
  | 'hidden_pause'
  | 'wall_jump'
  | 'cut'
  | 'partition'
  | 'roster_change'
  | 'swizzle'
  | 'clog'
  | 'slow_disk'
  | 'failed_sync'
  | 'bit_flip'
  | 'amnesia'
  | 'full_disk'
  | 'rolled_back'
  | 'slow_engine'
  | 'hung_engine'
  | 'killed_containers'
  | 'power_loss'
  | 'gone'

export const FAULT_KINDS: readonly FaultKind[] = [
  'crash',
  'restart',
  'pause',
  'suspend',
  'hidden_pause',
  'wall_jump',
  'cut',
  'partition',
  'roster_change',
  'swizzle',
  'clog',
  'slow_disk',
  'failed_sync',
  'bit_flip',
  'amnesia',
  'full_disk',
  'rolled_back',
  'slow_engine',
  'hung_engine',
  'killed_containers',
  'power_loss',
  'gone'
]

export interface WorldOptions {
  readonly seed: number
  readonly witnesses: 1 | 3 | 5
  readonly agents: number
  readonly gateways: 1 | 2
  readonly lease: LeaseProfileName
  readonly slots: number
  readonly pushes: number
  readonly jobsPerPushMax: number
  readonly workMsMax: number
  readonly troubleMs: number
  readonly driftRate: number
  readonly cancelRate: number
  readonly replayRate: number
  readonly equivocates: boolean
  /** A member that claims whatever the promises say. */
  readonly rogue: boolean
  /** Steps have time to end after a cancel, and networks of jobs are lost. */
  readonly graces: boolean
  /** Share of changes that whoever asked for them gives up under way. */
  readonly giveUpRate: number
  /** Witnesses are away for longer than jobs wait for them, and come back or not. */
  readonly absences: boolean
  /** Witnesses beyond those of one run: another run has others. */
  readonly spares: 0 | 1 | 2 | 3
  /** Months pass once all is healed: tombstones end, and what is old comes back. */
  readonly months: boolean
  /** Each witness must have every end, too, soon after. */
  readonly watchesWitnesses: boolean
  readonly faults: Faults
}

/** Three witnesses have a fourth beside them: with five, each run would have all of those. */
const SPARES = { 1: [0], 3: [0, 1], 5: [0, 1, 2, 3] } as const

/** What only some worlds have by chance, and all of a run have that asks for it. */
export type Addition = 'absences' | 'months'

export function isAddition(text: string): text is Addition {
  return text === 'absences' || text === 'months'
}

export function withAddition(options: WorldOptions, addition: Addition): WorldOptions {
  if (addition === 'months') return { ...options, months: true }
  const spares = SPARES[options.witnesses]
  if (options.witnesses === 1) return options
  return { ...options, absences: true, spares: spares[options.seed % spares.length] ?? 0 }
}

type Chance = Pick<Timeline, 'random'>
type OtherChances = Readonly<Record<'aside' | 'absent' | 'late', Chance>>

/**
 * A world drawn from its seed: each kind of trouble is in about half of them. What came later is
 * drawn from streams of its own.
 */
export function drawOptions(
  seed: number,
  chance: Timeline,
  { aside, absent, late }: OtherChances
): WorldOptions {
  const oneOf = <T>(list: readonly [T, ...T[]]): T => {
    return list[Math.floor(chance.random() * list.length)] ?? list[0]
  }
  const lease = chance.random() < 0.9 ? 'short' : 'default'
  const unit = lease === 'short' ? 1 : 8
  const isRough = chance.random() < 0.8
  // Long ones take half of all time where they are many.
  const isLong = chance.random() < 0.1
  const witnesses = oneOf<1 | 3 | 5>([1, 3, 3, 3, 3, 5, 5, 5])
  // Of one witness there is no majority without it.
  const absences = absent.random() < 0.25 && witnesses > 1
  const spares = SPARES[witnesses]
  return {
    seed,
    witnesses,
    absences,
    // Not with lost seals as well: see docs/protocol.md, "What is dropped".
    months: late.random() < 0.15 && !absences,
    spares: (absences && spares[Math.floor(absent.random() * spares.length)]) || 0,
    agents: oneOf([2, 3, 4]),
    gateways: oneOf([1, 2]),
    lease,
    slots: oneOf([1, 2]),
    pushes: isLong ? 6 : oneOf([1, 2, 3]),
    jobsPerPushMax: oneOf([1, 2, 3]),
    workMsMax: (isLong ? 800 : oneOf([1_000, 5_000, 12_000])) * unit,
    troubleMs: chance.between(15_000, 35_000) * unit,
    driftRate: oneOf([0, 0.001, 0.0099]),
    cancelRate: oneOf([0, 0.2, 0.5]),
    replayRate: oneOf([0, 0.5]),
    equivocates: chance.random() < 0.2,
    rogue: chance.random() < 0.15,
    graces: aside.random() < 0.5,
    giveUpRate: aside.random() < 0.5 ? 0 : aside.random() * 0.3,
    watchesWitnesses: true,
    faults: {
      lossRate: oneOf([0, 0.02, 0.1]),
      duplicateRate: oneOf([0, 0.05, 0.1]),
      delayMsMax: oneOf([2, 20, 60]),
      strayMsMax: oneOf([20, 500, 2_000]),
      gossipLossRate: oneOf([0, 0, 0.5, 1]),
      syncMsMax: oneOf([1, 10, 60]),
      hostileRate: oneOf([0, 0.3]),
      kinds: isRough ? FAULT_KINDS.filter(() => chance.random() < 0.5) : [],
      everyMsMax: oneOf([1_500, 4_000]) * unit
    }
  }
}
