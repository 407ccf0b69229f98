import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { causeOf } from '../../protocol/core/errors.ts'
import type { Engine } from '../execute/engine.ts'
import { type ContainerBody, EngineError } from '../execute/engine-types.ts'
import { sandboxHost } from '../execute/ground.ts'
import { BUSYBOX_INSIDE } from '../execute/guard.ts'
import { nativePlatform } from '../execute/native-platform.ts'
import { peerSuffix } from '../execute/peer-suffix.ts'
import { STANDARD } from '../execute/profile-standard.ts'
import { differences } from '../execute/read-back.ts'
import { reapTrials, TRIAL_LABEL } from '../execute/reaping.ts'
import { containerBody, type Profile } from '../execute/sandbox-profile.ts'
import { Stopwatch } from '../execute/stopwatch.ts'
import type { HostProblem } from './host-profile.ts'

/** Milliseconds that a program of four lines may run. */
const TRIAL_MS_MAX = 10_000
const POLL_MS = 20
/** A tar archive of nothing: the two blocks that end one. */
export const EMPTY_ROOT = Buffer.alloc(1_024)
/** Whatever limits jobs have, these are some. */
export const TRIAL_RESOURCES = { cpuMilli: 1_000, memoryBytes: 67_108_864 }
/** Says by its exit code whether a filter is on: mode 2 of seccomp(2). */
const IS_FILTERED = [
  'while read -r key value; do',
  '  [ "$key$value" = Seccomp:2 ] && exit 0',
  'done </proc/self/status',
  'exit 1'
].join('\n')

const IS_GONE = 'somebody removed it'
const FILTER_FIX = 'update the container engine, and run it on a kernel with seccomp'
const BOX_FIX = 'use a container engine that keeps every limit; update it'
const START_FIX = "look at this host's engine and disk; jobs that cannot be started are given back"

export interface TrialParts {
  readonly engine: Engine
  readonly peerId: string
  /** Path of the static busybox. */
  readonly busybox: string
}

/**
 * Starts one container as jobs get them, of an image of nothing, and removes it. Engines say at the
 * start, and only there, that they do not take a filter of system calls; and a job never gets the
 * engine's own instead. Gives what keeps jobs from running here; never rejects.
 */
export async function tryProfile(parts: TrialParts): Promise<HostProblem | undefined> {
  const { engine, peerId } = parts
  const labels = { [TRIAL_LABEL]: peerId }
  try {
    // Left by a process that was killed in the middle of this: its name is the next one's.
    await reapTrials(engine, peerId)
    const image = await engine.importRoot(Readable.from([EMPTY_ROOT]), labels)
    return await trial(parts, await trialBody(parts, image, IS_FILTERED))
  } catch (error) {
    return refusal(causeOf(error))
  } finally {
    // The trial has its answer by now: what cannot be removed is left to the reaper.
    await reapTrials(engine, peerId).catch(() => [])
  }
}

/** A container as jobs get them, for `script` to be run by the mounted busybox. */
export async function trialBody(
  { engine, peerId, busybox }: TrialParts,
  imageId: string,
  script: string,
  profile: Profile = STANDARD
): Promise<ContainerBody> {
  const ours = { jobId: 'trial', epoch: 0, claimId: 'trial', peerId, storeId: '', volume: '' }
  const request = { ...ours, imageId, leaseDir: '', busybox, guard: '', resources: TRIAL_RESOURCES }
  const body = containerBody(profile, request, await sandboxHost(await engine.info()))
  const { Mounts, ...rest } = body.HostConfig
  return {
    ...body,
    Labels: { [TRIAL_LABEL]: peerId },
    Entrypoint: [BUSYBOX_INSIDE, 'sh', '-c', script],
    HostConfig: { ...rest, Mounts: Mounts.filter(({ Target }) => Target === BUSYBOX_INSIDE) }
  }
}

async function trial(
  { engine, peerId }: TrialParts,
  body: ContainerBody
): Promise<HostProblem | undefined> {
  const platform = nativePlatform(await engine.info())
  const id = await engine.create(trialName('trial', peerId), platform, body)
  const stored = await engine.inspect(id)
  if (stored === undefined) throw new EngineError(IS_GONE, undefined)
  const [difference] = differences(body, stored)
  if (difference !== undefined) {
    const found = `the engine makes containers otherwise than asked: ${difference}`
    return { part: 'engine', blocking: true, found, fix: BOX_FIX }
  }
  await engine.start(id)
  const code = await exitCode(engine, id)
  if (code === 0) return undefined
  const found = `the engine started a container without our filter of system calls (exit ${code})`
  return { part: 'seccomp', blocking: true, found, fix: FILTER_FIX }
}

type TrialName = 'trial' | 'proof' | 'builder' | 'network' | 'disk'

/** `runner-mesh-<what>-<first 8 hex of SHA-256(peerId)>` */
export function trialName(what: TrialName, peerId: string): string {
  return `runner-mesh-${what}-${peerSuffix(peerId)}`
}

/** Waits for the end of a trial's program. Throws EngineError after TRIAL_MS_MAX. */
export async function exitCode(engine: Engine, id: string): Promise<number> {
  const stopwatch = new Stopwatch()
  for (;;) {
    const seen = await engine.inspect(id)
    if (seen === undefined) throw new EngineError(IS_GONE, undefined)
    if (!seen.running) return seen.exitCode
    if (stopwatch.ms() > TRIAL_MS_MAX) throw new EngineError('its program does not end', undefined)
    await sleep(POLL_MS)
  }
}

function refusal(cause: string): HostProblem {
  if (/seccomp/i.test(cause)) {
    const found = `the engine does not take our filter of system calls: ${cause}`
    return { part: 'seccomp', blocking: true, found, fix: FILTER_FIX }
  }
  // A disk that is full now, say: it may be over when the first job comes.
  const found = `the engine could not start a container for a trial: ${cause}`
  return { part: 'engine', blocking: false, found, fix: START_FIX }
}
