import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, mustRun, runCommand } from '../../deploy/demo/process.ts'

const PREFIX = 'rmc'
const END_MS_MAX = 15_000

/** Where a run keeps everything; short, since sockets below it have paths of 107 bytes at most. */
export function rootOf(run: string): string {
  return join(tmpdir(), `${PREFIX}-${run}`)
}

export function prefixOf(run: string): string {
  return `${PREFIX}${run}`
}

/** Removes what runs have left that were killed before they could do it: their number is a pid. */
export async function sweepStale(): Promise<void> {
  const numbers = new Set<string>()
  for (const name of readdirSync(tmpdir())) {
    const run = /^rmc-(\d+)$/.exec(name)?.[1]
    if (run !== undefined) numbers.add(run)
  }
  for (const name of namespaces()) {
    const run = /^rmc(\d+)-/.exec(name)?.[1]
    if (run !== undefined) numbers.add(run)
  }
  for (const run of numbers) if (!isRunning(run)) await removeRun(run, false)
}

/** Ends every process of the run and takes its namespaces, mounts and folders away. */
export async function removeRun(run: string, keepFolder: boolean): Promise<void> {
  const root = rootOf(run)
  const own = namespaces().filter((name) => name.startsWith(`${prefixOf(run)}-`))
  for (const name of own) await endAllIn(name)
  const containers = containersBelow(root)
  endContainers(containers)
  await unmountBelow(root)
  for (const name of own) await mustRun('ip', ['netns', 'delete', name])
  removeGroups(containers)
  if (!keepFolder) await rm(root, { recursive: true, force: true, maxRetries: 3 })
}

function namespaces(): readonly string[] {
  return existsSync('/run/netns') ? readdirSync('/run/netns') : []
}

function isRunning(run: string): boolean {
  return textOf(`/proc/${run}/cmdline`).includes('test/chaos/main.ts')
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

async function endAllIn(namespace: string): Promise<void> {
  await eventually(
    `no process is left in ${namespace}`,
    async () => {
      const { stdout } = await runCommand('ip', ['netns', 'pids', namespace])
      const pids = stdout
        .split('\n')
        .filter((line) => line !== '')
        .map(Number)
      for (const pid of pids) endProcess(pid)
      return pids.length === 0 ? true : undefined
    },
    END_MS_MAX
  )
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

/** Ids of the containers that the run's own engines kept. */
function containersBelow(root: string): readonly string[] {
  return ['e1', 'e2'].flatMap((engine) => {
    const folder = join(root, engine, 'data', 'containers')
    return existsSync(folder) ? readdirSync(folder) : []
  })
}

/** What an engine has started outlives it. */
function endContainers(ids: readonly string[]): void {
  if (ids.length === 0) return
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const cgroup = textOf(`/proc/${pid}/cgroup`)
    if (ids.some((id) => cgroup.includes(id))) endProcess(Number(pid))
  }
}

async function unmountBelow(root: string): Promise<void> {
  const targets = textOf('/proc/mounts')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((target) => target.startsWith(`${root}/`))
  for (const target of targets.reverse()) await runCommand('umount', ['--lazy', target])
}

/** Control groups of containers that no engine will remove any more; empty by now. */
function removeGroups(ids: readonly string[]): void {
  if (ids.length === 0) return
  const base = '/sys/fs/cgroup'
  const parents = existsSync(base)
    ? readdirSync(base).map((name) => join(base, name, 'docker'))
    : []
  for (const parent of [join(base, 'docker'), ...parents]) {
    for (const id of ids) {
      const group = join(parent, id)
      if (!existsSync(group)) continue
      try {
        rmdirSync(group)
      } catch {
        // A process of it is still on its way out; an empty group costs nothing.
      }
    }
  }
}
