import { execFileSync } from 'node:child_process'
import { access, chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fakeNvidiaSmi } from './fake-nvidia-smi.ts'
import { GpuHostTree, uuid } from './gpu-host.ts'

/** What a GPU of the bench is, where a job sees it. */
export interface BenchGpu {
  readonly uuid: string
  /** Per cent of its time, by its vendor's tool: of each another. */
  readonly busyPercent: number
}

const AGENT = resolve(import.meta.dirname, 'gpu-agent.ts')
const MEMORY_MIB = 512

/**
 * GPUs of NVIDIA's for several agents on one engine: for each agent a host as a folder with a tool
 * that says what it has, for each GPU a node that takes what is written to it, and for the engine
 * what NVIDIA's toolkit is to it, a hook that puts the nodes of the GPUs asked for into a container
 * before it begins.
 */
export class GpuBench {
  /** What the engine must find before all other programs. */
  readonly programs: string
  readonly gpus: readonly BenchGpu[]
  readonly #root: string
  readonly #hosts: readonly GpuHostTree[]

  private constructor(root: string, gpus: readonly BenchGpu[], hosts: readonly GpuHostTree[]) {
    this.#root = root
    this.programs = join(root, 'programs')
    this.gpus = gpus
    this.#hosts = hosts
  }

  /** As many agents as `counts`, each with that many GPUs, in this folder. */
  static async make(root: string, counts: readonly number[]): Promise<GpuBench> {
    const hosts: GpuHostTree[] = []
    const gpus: BenchGpu[] = []
    for (const [index, count] of counts.entries()) {
      const host = await GpuHostTree.in(join(root, `host-${index + 1}`))
      const own = Array.from({ length: count }, (_, at) => gpuAt(gpus.length + at))
      await layHost(host, own)
      for (const gpu of own) await layGpu(root, host, gpu)
      hosts.push(host)
      gpus.push(...own)
    }
    const bench = new GpuBench(root, gpus, hosts)
    await bench.#layHook()
    return bench
  }

  /** What node is started with in place of `agent start`, by the agent's name. */
  get starts(): Readonly<Record<string, readonly string[]>> {
    const entries = this.#hosts.map(({ root, tools }, index): [string, readonly string[]] => {
      return [`agent-${index + 1}`, ['--import', 'tsx', AGENT, '--root', root, '--tools', tools]]
    })
    return Object.fromEntries(entries)
  }

  /** GPUs that a container got while another had them, as the hook saw it. */
  async conflicts(): Promise<string> {
    return await readFile(join(this.#root, 'conflicts'), 'utf8').catch(() => '')
  }

  /** How many containers got a GPU. */
  async handed(): Promise<number> {
    const text = await readFile(join(this.#root, 'handed'), 'utf8').catch(() => '')
    return text.split('\n').filter((line) => line !== '').length
  }

  async #layHook(): Promise<void> {
    await mkdir(this.programs)
    const path = join(this.programs, 'nvidia-container-runtime-hook')
    await writeFile(path, HOOK.replaceAll('ROOT', this.#root))
    await chmod(path, 0o755)
    await access(path)
  }
}

function gpuAt(index: number): BenchGpu {
  return { uuid: uuid(String(index + 1)), busyPercent: 10 * (index + 1) + 7 }
}

async function layHost(host: GpuHostTree, gpus: readonly BenchGpu[]): Promise<void> {
  const place = (index: number): string => `0000:0${index + 1}:00.0`
  for (const [index, gpu] of gpus.entries()) {
    await host.nvidia(place(index), { uuid: gpu.uuid, minor: index })
  }
  const rows = gpus.map(({ uuid: id, busyPercent }, index) => ({
    index: String(index),
    uuid: id,
    'pci.bus_id': `0000${place(index)}`,
    'utilization.gpu': String(busyPercent),
    'memory.used': String(MEMORY_MIB)
  }))
  await fakeNvidiaSmi(host, { rows })
  await host.tool('nvidia-ctk', 'echo NVIDIA Container Toolkit CLI version 1.17.8')
}

/** Its node, and where the hook says who computes on it. */
async function layGpu(root: string, host: GpuHostTree, { uuid: id }: BenchGpu): Promise<void> {
  const folder = join(root, 'gpus', id)
  await mkdir(folder, { recursive: true })
  // As /dev/null: a character device that can be written to.
  execFileSync('mknod', [join(folder, 'node'), 'c', '1', '3'])
  await symlink(join(host.tools, 'smi.apps'), join(folder, 'apps'))
}

/**
 * Run by the engine's runtime as root, with the container's state as its input: the mounts of the
 * container are there, and nothing of it has begun.
 */
const HOOK = `#!/bin/sh
set -eu
state=$(cat)
pid=$(printf %s "$state" | sed -n 's/.*"pid":\\([0-9]*\\).*/\\1/p')
bundle=$(printf %s "$state" | sed -n 's/.*"bundle":"\\([^"]*\\)".*/\\1/p')
config=$bundle/config.json
root=$(sed -n 's/.*"root":{"path":"\\([^"]*\\)".*/\\1/p' "$config")
ids=$(grep -o 'NVIDIA_VISIBLE_DEVICES=[^"]*' "$config" | tail -n 1 | cut -d= -f2)
exec 9>ROOT/lock
flock 9
for id in $(printf %s "$ids" | tr , ' '); do
  gpu=ROOT/gpus/$id
  holder=$(cat "$gpu/holder" 2>/dev/null || true)
  if [ -n "$holder" ] && kill -0 "$holder" 2>/dev/null; then
    echo "$id is of $holder and was given to $pid" >>ROOT/conflicts
  fi
  echo "$pid" >"$gpu/holder"
  echo "$id $pid" >>ROOT/handed
  echo "$id, $pid, 256" >>"$gpu/apps"
  numbers=$(stat -c '0x%t 0x%T' "$gpu/node")
  nsenter --target "$pid" --mount mknod -m 666 "$root/dev/nvidia-$id" c $numbers
done
`
