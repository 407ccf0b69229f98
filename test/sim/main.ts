import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { type Batch, batchesOf, runBatches, type Worlds, worldOf } from './batches.ts'
import { addCounts, type Counts, countLines } from './counts.ts'
import { isAddition } from './options.ts'
import { isSchedule } from './schedules.ts'
import { lineOf } from './trace.ts'
import type { WorldResult } from './world.ts'

/*
 * npm run test:sim -- --seeds N [--seed S] [--json] [--schedule NAME] [--with absences|months].
 * Exits with 0 where every invariant held, 1 where one was broken, 2 where it was not understood.
 */

const WORKERS_MAX = 2
const PROGRESS_EVERY = 1_000

interface Settings {
  readonly first: number
  readonly count: number
  readonly isJson: boolean
  /** Prints every event that names this, of the first seed. */
  readonly show: string | undefined
  readonly worlds: Worlds
}

function settingsOf(args: readonly string[]): Settings | undefined {
  const text = { type: 'string' } as const
  const options = {
    seed: text,
    seeds: text,
    show: text,
    schedule: text,
    with: { type: 'string', multiple: true },
    json: { type: 'boolean' }
  } as const
  try {
    const { values } = parseArgs({ args: [...args], options })
    const [first, count] = [Number(values.seed ?? 1), Number(values.seeds ?? 200)]
    if (![first, count].every((one) => Number.isSafeInteger(one) && one > 0)) return
    const { schedule, show } = values
    const additions = (values.with ?? []).filter(isAddition)
    if (additions.length < (values.with ?? []).length) return
    if (schedule !== undefined && !isSchedule(schedule)) return
    return { first, count, isJson: values.json === true, show, worlds: { schedule, additions } }
  } catch {
    return
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

function show({ first, worlds }: Settings, filter: string): number {
  const world = worldOf(first, worlds)
  world.listen = (event) => {
    const line = lineOf(event)
    if (line.includes(filter)) say(line)
  }
  const { violation } = world.run()
  say(violation ?? 'every invariant held')
  return violation === undefined ? 0 : 1
}

/** Runs the seed once more, for the end of its story. */
function report(seed: number, worlds: Worlds): void {
  const again = worldOf(seed, worlds).run()
  for (const line of again.last) say(`  ${line}`)
  say(`seed ${seed}: ${again.violation}`)
  const { schedule, additions } = worlds
  const made = schedule === undefined ? '' : ` --schedule ${schedule}`
  const others = additions.map((addition) => ` --with ${addition}`).join('')
  say(`replay: npm run test:sim -- --seed ${seed} --seeds 1${made}${others}`)
}

async function run({ first, count, isJson, worlds }: Settings): Promise<number> {
  const totals = { seeds: 0, events: 0, simulatedMs: 0, jobs: 0, epochMax: 0 }
  let counts: Counts = {}
  const broken: Pick<WorldResult, 'seed' | 'violation'>[] = []
  const workers = Math.min(WORKERS_MAX, availableParallelism())
  await runBatches(batchesOf(first, count, worlds), workers, (batch: Batch) => {
    const before = totals.seeds
    totals.seeds += batch.seeds
    totals.events += batch.events
    totals.simulatedMs += batch.simulatedMs
    totals.jobs += batch.jobs
    totals.epochMax = Math.max(totals.epochMax, batch.epochMax)
    counts = addCounts([counts, batch.counts])
    broken.push(...batch.broken)
    // At once: a long run that is ended before its time must not take them with it.
    for (const { seed, violation } of batch.broken) {
      process.stderr.write(`seed ${seed}: ${violation}\n`)
    }
    const isDue = Math.floor(before / PROGRESS_EVERY) < Math.floor(totals.seeds / PROGRESS_EVERY)
    if (isDue && !isJson) say(`${totals.seeds} of ${count} seeds, ${broken.length} broken`)
  })
  broken.sort((a, b) => a.seed - b.seed)
  const hours = Math.round(totals.simulatedMs / 36_000) / 100
  if (isJson) {
    say(JSON.stringify({ ...totals, first, hours, broken, counts }))
  } else {
    for (const { seed, violation } of broken.slice(1)) say(`seed ${seed}: ${violation}`)
    const [worst] = broken
    if (worst !== undefined) report(worst.seed, worlds)
    const { seeds, events, jobs } = totals
    for (const line of countLines(counts)) say(line)
    say(`${seeds} seeds, ${hours} simulated hours, ${jobs} jobs, ${events} events`)
    say(broken.length === 0 ? 'every invariant held' : `${broken.length} seeds broken`)
  }
  return broken.length === 0 ? 0 : 1
}

const settings = settingsOf(process.argv.slice(2))
if (settings === undefined) {
  process.stderr.write(
    'usage: npm run test:sim -- --seeds N [--seed S] [--json] [--show TEXT]' +
      ' [--schedule NAME] [--with absences|months]\n'
  )
  process.exitCode = 2
} else {
  const { show: filter } = settings
  process.exitCode = filter === undefined ? await run(settings) : show(settings, filter)
}
