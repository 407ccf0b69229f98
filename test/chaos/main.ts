import '../../protocol/host/node20.ts'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { DESK } from './network.ts'
import { type ChaosOptions, chaosOptions, USAGE } from './options.ts'
import { textOf } from './report.ts'
import { networkOf, Run, say } from './run.ts'
import { removeRun, rootOf, sweepStale } from './sweep.ts'
import { ENGINES } from './world.ts'

/*
 * Two processes: the outer one makes the namespaces and takes everything away again, whatever
 * happens to the inner one, which lives at the desk of that network and does the rest.
 */

/** What a failed run leaves for whoever looks into it. */
const KEPT = resolve(import.meta.dirname, '..', '..', '.chaos')

async function outer(options: ChaosOptions): Promise<number> {
  const run = String(process.pid)
  await sweepStale()
  await mkdir(rootOf(run), { mode: 0o700 })
  // The inner process hears the same signals, and ends by itself.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)
  let code = 1
  try {
    const network = networkOf(run)
    await network.make(ENGINES)
    const [program = '', ...words] = [...network.inside(DESK), process.execPath]
    const args = ['--import', 'tsx', import.meta.filename, ...process.argv.slice(2)]
    const child = spawn(program, [...words, ...args, '--inside', run], { stdio: 'inherit' })
    process.on('SIGTERM', () => child.kill('SIGTERM'))
    const [ended] = (await once(child, 'exit')) as [number | null]
    code = ended ?? 1
    if (code !== 0) await keepLogs(run, options)
  } finally {
    await removeRun(run, options.keep)
  }
  return code
}

async function keepLogs(run: string, { seed }: ChaosOptions): Promise<void> {
  const folder = join(KEPT, `seed-${seed}`)
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  for (const name of ['logs', 'history.jsonl']) {
    await cp(join(rootOf(run), name), join(folder, name), { recursive: true }).catch(
      () => undefined
    )
  }
  say(`logs and history are in ${folder}`)
}

async function inner(run: string, options: ChaosOptions): Promise<number> {
  const made = await Run.make(run, options)
  let interrupted = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      interrupted = true
      made.interrupt()
    })
  }
  try {
    const report = await made.play()
    process.stderr.write(textOf(report))
    if (options.json) process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`)
    if (report.violations.length === 0) return interrupted ? 130 : 0
    const { minutes, seed } = options
    say(`play it again: npm run test:chaos -- --minutes ${minutes} --seed ${seed}`)
    return 1
  } finally {
    await made.stop()
  }
}

async function main(): Promise<number> {
  const options = chaosOptions(process.argv.slice(2))
  if (options === undefined) {
    process.stderr.write(USAGE)
    return 2
  }
  return options.inside === undefined ? await outer(options) : await inner(options.inside, options)
}

process.exitCode = await main()
