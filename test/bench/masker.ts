import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { Masker } from '../../protocol/core/masker/masker.ts'
import { SECRETS_PER_JOB_MAX } from '../../protocol/core/secret-limits.ts'

const MIB = 1_048_576
const TEXT_MIB = 64
/** As much as an engine's stream hands over at once. */
const CHUNK_BYTES = 32_768
const RUNS = 5

/** One reading of how fast logs are masked, and how long the masker of a job takes to make. */
export function masker(): object {
  const values = Array.from({ length: SECRETS_PER_JOB_MAX }, (_, index) =>
    Buffer.from(randomBytes(12 + (index % 30)).toString('base64'))
  )
  const startedMs = performance.now()
  const made = new Masker(values)
  const makeMs = performance.now() - startedMs
  const text = logOf(values)
  const runs = Array.from({ length: RUNS }, () => rateOf(made, text))
  const rates = runs.map(({ wall }) => wall).sort((a, b) => a - b)
  const ofCpu = runs.map(({ cpu }) => cpu).sort((a, b) => a - b)
  return {
    bench: 'masker',
    secrets: values.length,
    text_mib: TEXT_MIB,
    make_ms: Math.round(makeMs),
    mib_a_second_median: Math.round(rates[RUNS >> 1] ?? 0),
    mib_a_second_min: Math.round(rates[0] ?? 0),
    mib_a_cpu_second_median: Math.round(ofCpu[RUNS >> 1] ?? 0),
    mib_a_cpu_second_min: Math.round(ofCpu[0] ?? 0)
  }
}

/** Lines like those of a build, one in a thousand with a secret in it. */
function logOf(values: readonly Buffer[]): Buffer {
  const lines: string[] = []
  for (let at = 0, bytes = 0; bytes < TEXT_MIB * MIB; at += 1) {
    const secret = at % 1_000 === 0 ? (values[(at / 1_000) % values.length] ?? '') : ''
    const line = `${at} src/module-${at % 97}.ts(${at % 613},${at % 41}): compiled in ${at % 977} ms ${secret}\n`
    lines.push(line)
    bytes += line.length
  }
  return Buffer.from(lines.join('')).subarray(0, TEXT_MIB * MIB)
}

/** MiB a second by the clock on the wall, and a second that a processor worked for it. */
function rateOf(made: Masker, text: Buffer): { readonly wall: number; readonly cpu: number } {
  const stream = made.stream()
  const startedMs = performance.now()
  const startedCpu = process.cpuUsage()
  for (let at = 0; at < text.length; at += CHUNK_BYTES) {
    stream.push(text.subarray(at, at + CHUNK_BYTES))
  }
  stream.finish()
  const { user, system } = process.cpuUsage(startedCpu)
  const mib = text.length / MIB
  const wall = mib / ((performance.now() - startedMs) / 1_000)
  return { wall, cpu: mib / ((user + system) / 1e6) }
}
