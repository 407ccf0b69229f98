import type { WorldOptions } from './options.ts'

/** A world that once broke something, and must never again. */
export interface KeptSeed {
  readonly seed: number
  /** What was broken, and by what. */
  readonly found: string
  /** What the world had that a seed no longer draws. */
  readonly options?: Partial<WorldOptions>
}

export const KEPT_SEEDS: readonly KeptSeed[] = [
  {
    seed: 1556,
    found:
      'V2: a stop-sign, left at one witness of two, kept the job from the other one it moved to'
  },
  {
    seed: 1568,
    found: 'V5: a run of which only a moved job was known counted as absent, without its bytes',
    options: { pushes: 8, workMsMax: 800 }
  },
  {
    seed: 692,
    found: 'V5: of a job that moved, the lead of one register pushed out that of the other'
  },
  {
    seed: 1984,
    found: 'V5: a witness asked the present witnesses alone for the bytes of an earlier epoch'
  },
  {
    seed: 5378,
    found:
      'V3: a job dropped by one witness, and lost with the store of another, was asked for for ever'
  },
  {
    seed: 203264,
    found: 'V1: a job that another had moved was moved again from where it landed, for ever'
  },
  {
    seed: 207228,
    found: 'V5: a witness that could not read once never wrote back what it lacked itself'
  },
  {
    seed: 216017,
    found: 'log: what came to a stopped process was overtaken by what came after it went on'
  },
  {
    seed: 211818,
    found: 'V5: a store that took the floor of a run before the run itself was waited for'
  },
  {
    seed: 1130,
    found: 'V1: the wait of a job before its first attempt was counted as that for its retry'
  },
  {
    seed: 205525,
    found: 'V5: a witness that wrote back what it lacked did not look whether it has it since'
  }
]
