import '../../protocol/host/node20.ts'
import Table from 'cli-table3'
import { box } from './box.ts'
import { type ClaimsLine, claims, ourCycles } from './claims.ts'
import { crowd } from './crowd.ts'
import { intake } from './intake.ts'
import { latency } from './latency.ts'
import { masker } from './masker.ts'
import { sandbox } from './sandbox.ts'

/*
 * `npm run bench -- NAME [--json]`: benchmarks, apart from the tests since machines are noisy. Of
 * claims alone: `--in-flight N` measures one load, `--cpu-prof DIR` keeps profiles of our
 * processes, `--ours` leaves etcd out. Of intake alone: `--deliveries N` in one flood.
 */

const [name = '', ...flags] = process.argv.slice(2)
const asJson = flags.includes('--json')
const argumentOf = (flag: string): string | undefined => {
  const at = flags.indexOf(flag)
  return at < 0 ? undefined : flags[at + 1]
}
const profileDir = argumentOf('--cpu-prof')
const load = argumentOf('--in-flight')
const deliveries = Number(argumentOf('--deliveries') ?? 5_000)
const loads = load === undefined ? undefined : [Number(load)]

const BENCHES: Readonly<Record<string, () => Promise<void> | void>> = {
  latency: async () => say(await latency()),
  intake: async () => say(await intake(deliveries)),
  box: async () => say(await box()),
  crowd: async () => say(await crowd()),
  masker: () => say(masker()),
  sandbox: async () => say(await sandbox()),
  claims: flags.includes('--ours') ? () => ourCycles(say, { loads, profileDir }) : sayClaims
}

const bench = BENCHES[name]
if (bench === undefined) {
  process.stderr.write(`usage: npm run bench -- ${Object.keys(BENCHES).join('|')} [--json]\n`)
  process.exitCode = 2
} else {
  await bench()
}

function say(report: object): void {
  process.stdout.write(`${JSON.stringify(report, null, asJson ? undefined : 2)}\n`)
}

/** A JSON line for each load, or one table for people. */
async function sayClaims(): Promise<void> {
  const lines: ClaimsLine[] = []
  await claims(
    (line) => {
      lines.push(line)
      if (asJson) say(line)
    },
    { loads, profileDir }
  )
  const [first] = lines
  if (asJson || first === undefined) return
  const columns = Object.keys(first).filter((key) => key !== 'bench') as (keyof ClaimsLine)[]
  const table = new Table({ head: ['', ...lines.map((line) => `${line.in_flight} in flight`)] })
  for (const column of columns) table.push([column, ...lines.map((line) => line[column])])
  process.stdout.write(`${table.toString()}\n`)
}
