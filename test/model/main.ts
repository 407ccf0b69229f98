import { parseArgs } from 'node:util'
import { TABLE } from './table.ts'
import { type Verdict, verify } from './verifier.ts'

/*
 * `npm run test:model -- [--long] [--tmax N] [--only TEXT] [--jobs N] [--json]`: every row of the table
 * against the model; exits 1 where one differs from what is expected.
 *   --long     the rows that take minutes, too
 *   --tmax N   stop time after N ticks, clean rows only; without it time has no end
 *   --only     rows whose name or switches have this text
 *   --jobs     verifiers side by side, 2 unless told; each may take 3 GiB
 */

const { values } = parseArgs({
  options: {
    long: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    tmax: { type: 'string' },
    only: { type: 'string', default: '' },
    jobs: { type: 'string', default: '2' }
  }
})

const tmax = values.tmax === undefined ? undefined : Number(values.tmax)
const rows = TABLE.filter((row) => {
  if (row.long === true && !values.long) return false
  if (tmax !== undefined && row.expected !== 'clean') return false
  return `${row.name} ${row.switches.join(' ')}`.includes(values.only)
})

// The folders of the verifiers are removed, and their gigabytes given back, also after Ctrl-C.
const stopping = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stopping.abort())

const say = (text: string): void => void process.stderr.write(`${text}\n`)

async function verifyAll(jobs: number): Promise<Verdict[]> {
  const verdicts: Verdict[] = []
  const waiting = rows.map((row, index) => ({ row, index }))
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const verdict = await verify(next.row, { tmax, signal: stopping.signal })
      if (stopping.signal.aborted) return
      verdicts[next.index] = verdict
      const done = verdicts.filter(() => true).length
      say(`${done}/${rows.length} ${verdict.holds ? 'as expected' : 'DIFFERS'}: ${line(verdict)}`)
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  return verdicts.filter(() => true) // without the rows that a signal left out
}

const found = ({ report }: Verdict): string => {
  if (report === undefined) return 'nothing: the verifier did not end'
  if (!report.complete) return 'nothing: not every state was visited'
  return report.broken?.replaceAll('_', ' ') ?? 'clean'
}

const line = (verdict: Verdict): string =>
  `${verdict.row.name} (${verdict.row.switches.join(' ') || 'no switch'}): ${found(verdict)}`

function table(verdicts: readonly Verdict[]): string {
  const body = verdicts.map((verdict) => {
    const { report, row, cpuSeconds } = verdict
    const states = report === undefined ? '' : millions(report.states)
    const memory = report === undefined ? '' : String(Math.round(report.memoryMb))
    const name = row.switches.map((text) => `\`${text}\``).join(' ')
    const cells = [row.name, name, found(verdict), states, report?.depth ?? '', memory]
    return `| ${cells.join(' | ')} | ${cpuSeconds.toFixed(0)} |`
  })
  const head = '| what may happen | switches | found | million states | depth | MiB | CPU s |'
  return [head, '| --- | --- | --- | ---: | ---: | ---: | ---: |', ...body].join('\n')
}

function millions(states: number): string {
  return states < 10_000 ? '< 0.01' : (states / 1e6).toFixed(states < 1e6 ? 2 : 1)
}

const verdicts = await verifyAll(Math.max(1, Number(values.jobs) || 1))
const different = verdicts.filter(({ holds }) => !holds)
if (values.json) {
  const facts = verdicts.map(({ said: _, ...verdict }) => verdict)
  process.stdout.write(`${JSON.stringify(facts)}\n`)
} else {
  process.stdout.write(`${table(verdicts)}\n`)
}
const seconds = verdicts.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0)
say(`${verdicts.length} rows, ${seconds.toFixed(0)} s of processor time`)
for (const verdict of different) {
  say(`\nexpected ${verdict.row.expected}, ${line(verdict)}\n${verdict.said.trim().slice(-2_000)}`)
}
process.exitCode =
  different.length === 0 && verdicts.length === rows.length && rows.length > 0 ? 0 : 1
