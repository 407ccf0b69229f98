import { parseArgs } from 'node:util'

export interface ChaosOptions {
  readonly minutes: number
  readonly seed: number
  /** One JSON document on standard output at the end. */
  readonly json: boolean
  /** Leaves the folder of the run where it is. */
  readonly keep: boolean
  /** Set in the process that runs inside: the number of the run. */
  readonly inside: string | undefined
}

export const USAGE =
  'usage: npm run test:chaos -- [--minutes M] [--seed S] [--json] [--keep]\n' +
  '  --minutes M  how long faults are made (3); what follows takes a minute or two more\n' +
  '  --seed S     the same seed draws the same schedule of faults (1)\n' +
  '  --json       one JSON document on standard output at the end\n' +
  '  --keep       leave the folder of the run, with every log, where it is\n'

/** Undefined for anything that makes no sense: the usage is the answer then. */
export function chaosOptions(args: readonly string[]): ChaosOptions | undefined {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        minutes: { type: 'string', default: '3' },
        seed: { type: 'string', default: '1' },
        json: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        inside: { type: 'string' }
      }
    })
    const [minutes, seed] = [Number(values.minutes), Number(values.seed)]
    if (!(minutes > 0) || !Number.isSafeInteger(seed)) return undefined
    return { minutes, seed, json: values.json, keep: values.keep, inside: values.inside }
  } catch {
    return undefined
  }
}
