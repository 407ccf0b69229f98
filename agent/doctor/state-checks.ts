import { readdir, stat } from 'node:fs/promises'
import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import { Ballast } from '../../protocol/host/ballast.ts'
import { ballastOf, diskSpaceOf, isLow, isWatched } from '../../protocol/host/disk-space.ts'
import type { StatePaths } from '../../protocol/host/paths.ts'
import { loadKey } from '../../protocol/mesh/members/identity.ts'
import { ASIDE } from '../witness-reset.ts'
import { AS_OWNER, type Finding, failed, note, ok, warning } from './finding.ts'

const MIB = 1_048_576

/** The state folder itself: there, and this user's alone. */
export async function checkState({ state }: StatePaths): Promise<readonly Finding[]> {
  const found = await stat(state).catch(() => undefined)
  if (found === undefined || !found.isDirectory()) {
    const facts = { found: `${state} is no folder`, wanted: 'the state of an agent' }
    const fix = 'run `agent join` or `agent init`, or give the right folder with --state'
    return [failed('state', 'STATE_ABSENT', { ...facts, fix })]
  }
  const mode = (found.mode & 0o777).toString(8).padStart(4, '0')
  if ((found.mode & 0o077) === 0) return [ok('state', `${state}, mode ${mode}`)]
  const facts = { found: `${state} has mode ${mode}`, wanted: 'mode 0700' }
  return [warning('state', 'STATE_MODE_WIDE', { ...facts, fix: `run \`chmod 700 ${state}\`` })]
}

/** This agent's key, and its peer id where it can be read. */
export async function checkKey(
  paths: StatePaths
): Promise<{ readonly peerId: string | undefined; readonly findings: readonly Finding[] }> {
  try {
    const { peerId } = await loadKey(paths.key)
    return { peerId, findings: [ok('key', `${peerId}, mode 0600`)] }
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    const fixes: Partial<Record<string, string>> = {
      STATE_UNWRITABLE: AS_OWNER,
      KEY_MODE_WIDE: `run \`chmod 600 ${paths.key}\``,
      STATE_ABSENT: 'run `agent join` or `agent init`'
    }
    const fix = fixes[error.code] ?? 'put the key back from a backup, or enrol this host again'
    // Nobody wants to write here.
    const isDenied = error.code === 'STATE_UNWRITABLE'
    const found = isDenied ? `no key can be read: ${error.facts['cause']}` : error.message
    const facts = { found, wanted: 'an Ed25519 key, mode 0600', fix }
    return { peerId: undefined, findings: [failed('key', error.code, facts)] }
  }
}

/** What is free, and what is kept back. */
export async function checkDisk(paths: StatePaths): Promise<readonly Finding[]> {
  const space = await diskSpaceOf(paths.state).catch(() => undefined)
  if (space === undefined) return []
  const free = `${mib(space.freeBytes)} free of ${mib(space.totalBytes)}`
  const findings: Finding[] = []
  if (isLow(space, false)) {
    const fix = 'make room on the disk of the state folder: job logs take the most'
    const facts = { found: free, wanted: 'at least 5 % free', fix }
    findings.push(failed('disk', 'DISK_LOW', facts))
  } else {
    findings.push(ok('disk', free))
  }
  const held = await new Ballast(paths.ballast).size().catch(causeOf)
  const wanted = ballastOf(space)
  if (typeof held === 'string') {
    const facts = { found: `ballast not read: ${held}`, wanted: mib(wanted), fix: AS_OWNER }
    findings.push(note('disk', 'STATE_UNREADABLE', facts))
  } else if (isWatched(space) && held < wanted) {
    const facts = { found: `${mib(held)} of ballast`, wanted: mib(wanted) }
    const fix = 'the agent takes it while it runs and there is room'
    findings.push(note('disk', 'BALLAST_MISSING', { ...facts, fix }))
  }
  return findings
}

/** Stores that were kept aside: they hold what is lost here, and nobody removes them. */
export async function checkAside({ state }: StatePaths): Promise<readonly Finding[]> {
  const names = await readdir(state).catch(() => [])
  return names
    .filter((name) => name.startsWith(ASIDE))
    .map((name) => {
      const fix = `remove ${state}/${name} once nobody wants to look into it`
      const facts = { found: `${name} was kept aside`, wanted: 'one store', fix }
      return note('store', 'STORE_ASIDE', facts)
    })
}

/** The clock against the newest thing that this host wrote: it may have lost its battery. */
export async function checkClock(paths: StatePaths, wallMs: number): Promise<readonly Finding[]> {
  const files = [paths.store, paths.rosters, paths.logs, paths.state]
  const times = await Promise.all(files.map(writtenAtMs))
  const newestMs = Math.max(0, ...times)
  if (newestMs - wallMs < CLOCK_MS_MAX) return [ok('clock', new Date(wallMs).toISOString())]
  const found = `it is ${new Date(wallMs).toISOString()}`
  const wanted = `later than ${new Date(newestMs).toISOString()}, when this host last wrote`
  const fix = 'start chrony or systemd-timesyncd'
  return [warning('clock', 'CLOCK_BEHIND', { found, wanted, fix })]
}

/** Milliseconds that a clock may be corrected by without a word. */
const CLOCK_MS_MAX = 60_000

/** 0 for what is not there. */
async function writtenAtMs(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.mtimeMs ?? 0
}

function mib(bytes: number): string {
  return `${Math.floor(bytes / MIB)} MiB`
}
