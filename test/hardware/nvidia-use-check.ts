import { execFileSync, spawn } from 'node:child_process'
import { setTimeout as after } from 'node:timers/promises'
import { localGpus } from '../../agent/probe/gpu/host-gpus.ts'
import { toolRunner } from '../../agent/probe/gpu/tools.ts'
import { HostGpuUse } from '../../agent/probe/gpu/use/host-gpu-use.ts'
import { nvidiaUse } from '../../agent/probe/gpu/use/nvidia-use.ts'

/*
 * For a host with one of NVIDIA's GPUs and a program for it: what the agent would say of what that
 * program uses, against what nvidia-smi prints where it is asked in other words. The program is a
 * child of this one, so that it can be seen to be gone as well:
 *   node FILE PROGRAM [ARGUMENT...]
 * It is to take memory, to be busy, and to end by SIGTERM. Exits with 1 on a difference.
 */

const MIB = 1_048_576
const LOOKS_MAX = 60

const [, , program = '', ...words] = process.argv
const load = spawn(program, words, { stdio: 'inherit' })

function smi(...args: readonly string[]): string {
  return execFileSync('nvidia-smi', [...args], { encoding: 'utf8' })
}

/** `pid, MiB` of those on the GPU, by the XML that the agent reads for divided GPUs alone. */
function listed(): ReadonlyMap<number, number> {
  const found = new Map<number, number>()
  const blocks = smi('-q', '-x').matchAll(/<process_info>([\s\S]*?)<\/process_info>/g)
  for (const [, block = ''] of blocks) {
    const pid = Number(/<pid>(\d+)<\/pid>/.exec(block)?.[1])
    const memory = Number(/<used_memory>(\d+) MiB<\/used_memory>/.exec(block)?.[1])
    if (Number.isInteger(pid)) found.set(pid, memory)
  }
  return found
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    if (isSo()) return
    await after(500)
  }
  throw new Error(`not in time: ${what}`)
}

const run = toolRunner()
const host = localGpus()
const [gpu] = (await host.read()).devices.filter(({ vendor }) => vendor === 'nvidia')
if (gpu === undefined) throw new Error('no GPU of NVIDIA here')
const use = new HostGpuUse({ root: '/', run, nowMs: () => performance.now() })

const idle = await use.standing(gpu)
await until('the program is on the GPU', () => listed().size > 0)
await after(3_000)
const [[pid, memory] = [0, 0]] = [...listed()]
const now = await nvidiaUse(run, [gpu], true)
const mine = now.processes(gpu).find((each) => each.pid === pid)
const device = now.devices.get(gpu.id)
const busy = await use.standing(gpu)
const asked = smi('--query-gpu=memory.used', '--format=csv,noheader,nounits', `--id=${gpu.pci}`)
load.kill('SIGTERM')
await until('the program has gone', () => listed().size === 0)
await after(1_000)
const later = await use.standing(gpu)
const gone = (await nvidiaUse(run, [gpu], true)).processes(gpu)
await host.close()

const facts: readonly (readonly [string, unknown, unknown])[] = [
  ['the process is one that nvidia-smi -q lists', mine?.pid, pid],
  ['its memory is that of nvidia-smi -q', mine?.memoryBytes, memory * MIB],
  ['it is busy', (mine?.busyPercent ?? 0) > 50, true],
  ['its GPU is busy', (device?.busyPercent ?? 0) > 50, true],
  ['memory of the GPU is that of nvidia-smi', device?.memoryBytes, Number(asked) * MIB],
  ['power is told', (device?.powerWatts ?? 0) > 10, true],
  ['temperature is told', (device?.temperature ?? 0) > 10, true],
  ['the GPU has the memory of the process more', memoryAbove(busy, idle) >= memory * MIB, true],
  ['once it has ended, nobody has the GPU', [...later.holders], [...idle.holders]],
  ['and its memory is as before, but for 256 MiB', memoryAbove(later, idle) <= 256 * MIB, true],
  ['and no process is told of', gone, []]
]

interface Standing {
  readonly memoryBytes: number | undefined
}

function memoryAbove(now: Standing, before: Standing): number {
  return (now.memoryBytes ?? Number.NaN) - (before.memoryBytes ?? Number.NaN)
}

let differences = 0
for (const [name, agent, other] of facts) {
  const isSame = JSON.stringify(agent) === JSON.stringify(other)
  process.stdout.write(`${isSame ? 'same' : 'DIFFERENT'}: ${name}: ${JSON.stringify(agent)}\n`)
  if (!isSame) differences += 1
}
const holders = { pid: load.pid, idle: [...idle.holders], busy: [...busy.holders] }
process.stdout.write(`${JSON.stringify({ gpu: gpu.id, mine, device, holders })}\n`)
process.exitCode = differences === 0 ? 0 : 1
