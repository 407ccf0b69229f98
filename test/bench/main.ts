import { latency } from './latency.ts'

/* `npm run bench -- NAME [--json]`: benchmarks, apart from the tests since machines are noisy. */

const BENCHES = { latency } as const

const [name = '', ...flags] = process.argv.slice(2)
const bench = BENCHES[name as keyof typeof BENCHES]
if (bench === undefined) {
  process.stderr.write(`usage: npm run bench -- ${Object.keys(BENCHES).join('|')} [--json]\n`)
  process.exitCode = 2
} else {
  const report = await bench()
  const indent = flags.includes('--json') ? undefined : 2
  process.stdout.write(`${JSON.stringify(report, null, indent)}\n`)
}
