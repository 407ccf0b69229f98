import type { WorldOptions } from './options.ts'
import type { ScheduleName } from './schedules.ts'

/** A world that once broke something, and must never again. */
export interface KeptSeed {
  readonly seed: number
  /** What was broken, and by what. */
  readonly found: string
  /** What the world had that a seed no longer draws. */
  readonly options?: Partial<WorldOptions>
  readonly schedule?: ScheduleName
}

/** Of the days before steps had a grace, callers gave up, and witnesses were away for long. */
const PLAIN = {
  graces: false,
  giveUpRate: 0,
  absences: false,
  spares: 0,
  months: false
} as const

export const KEPT_SEEDS: readonly KeptSeed[] = [
  {
    seed: 1556,
    found:
      'V2: a stop-sign, left at one witness of two, kept the job from the other one it moved to',
    options: PLAIN
  },
  {
    seed: 1568,
    found: 'V5: a run of which only a moved job was known counted as absent, without its bytes',
    options: { ...PLAIN, pushes: 8, workMsMax: 800 }
  },
  {
    seed: 692,
    found: 'V5: of a job that moved, the lead of one register pushed out that of the other',
    options: PLAIN
  },
  {
    seed: 1984,
    found: 'V5: a witness asked the present witnesses alone for the bytes of an earlier epoch',
    options: PLAIN
  },
  {
    seed: 5378,
    found:
      'V3: a job dropped by one witness, and lost with the store of another, was asked for for ever',
    options: PLAIN
  },
  {
    seed: 203264,
    found: 'V1: a job that another had moved was moved again from where it landed, for ever',
    options: PLAIN
  },
  {
    seed: 207228,
    found: 'V5: a witness that could not read once never wrote back what it lacked itself',
    options: PLAIN
  },
  {
    seed: 216017,
    found: 'log: what came to a stopped process was overtaken by what came after it went on',
    options: PLAIN
  },
  {
    seed: 211818,
    found: 'V5: a store that took the floor of a run before the run itself was waited for',
    options: PLAIN
  },
  {
    seed: 1130,
    found: 'V1: the wait of a job before its first attempt was counted as that for its retry',
    options: PLAIN
  },
  {
    seed: 205525,
    found: 'V5: a witness that wrote back what it lacked did not look whether it has it since',
    options: PLAIN
  },
  {
    seed: 12,
    schedule: 'graces',
    found:
      'I4: a step that ended by our SIGTERM while its agent was dead was shown as failed with 143'
  },
  {
    seed: 20060,
    found: 'I4: a mover that asks again under the same id was taken for one that heard a last no',
    options: { absences: true, spares: 0, months: false }
  },
  {
    seed: 1,
    schedule: 'months',
    found: 'V3: an agent asked for ever for the end of an attempt whose run nobody remembers'
  }
]
