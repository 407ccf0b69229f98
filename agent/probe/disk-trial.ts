import { Readable } from 'node:stream'
import { causeOf } from '../../protocol/core/errors.ts'
import type { DiskControl } from '../execute/disk/disk-control.ts'
import { TRIAL_CLAIM } from '../execute/disk/disks.ts'
import type { DiskVolume } from '../execute/disk/job-disk.ts'
import { LoopVolumes } from '../execute/disk/loop-volumes.ts'
import type { ContainerBody } from '../execute/engine-types.ts'
import { sandboxHost } from '../execute/ground.ts'
import { BUSYBOX_INSIDE } from '../execute/guard.ts'
import { nativePlatform } from '../execute/native-platform.ts'
import { reapTrials, TRIAL_LABEL } from '../execute/reaping.ts'
import { confirmGone } from '../execute/removal.ts'
import { WORKSPACE_INSIDE } from '../execute/sandbox-profile.ts'
import { volumeMount } from '../execute/volume.ts'
import type { HostProblem } from './host-profile.ts'
import { EMPTY_ROOT, exitCode, type TrialParts, trialBody, trialName } from './trial.ts'

/** Of a volume that is tried: it fits any disk, and is more than a file system itself needs. */
const TRIAL_BYTES = 16_777_216
/** MiB that the trial's program tries to write there. */
const TRIAL_MIB = 32
/** Milliseconds within which what was tried must be gone. */
const GONE_MS_MAX = 10_000
/** Exit code of a program that could write less than it tried, everywhere. */
const STOPPED = 42

export interface DiskTrialParts extends TrialParts {
  /** Where file systems of a fixed size lie. */
  readonly folder: string
  /** `soft`: nothing is tried. */
  readonly limit: 'auto' | 'soft'
}

export interface DiskShown {
  readonly control: DiskControl
  readonly problems: readonly HostProblem[]
}

/**
 * Finds out what keeps a job to its disk here, by a container that tries to write more than it may:
 * the engine's quota, then a file system of a fixed size. Nothing is believed that an engine says
 * of itself, and nothing is offered that leaves something behind. Never rejects.
 */
export async function tryDisk(parts: DiskTrialParts): Promise<DiskShown> {
  const volumes = new LoopVolumes(parts.folder)
  try {
    // Left by a process that was killed in the middle of this.
    await volumes.remove(TRIAL_CLAIM)
    if (parts.limit === 'soft') return { control: 'watch', problems: [] }
    const quota = await refusal(() => tryQuota(parts))
    if (quota === undefined) return { control: 'quota', problems: [] }
    const loop = await refusal(() => tryLoop(parts, volumes))
    if (loop === undefined) return { control: 'loop', problems: [] }
    return softly(`${quota}; ${loop}`)
  } catch (error) {
    return softly(causeOf(error))
  }
}

/** Rejects with why the engine's own quota does not hold, of a container's layer or of a volume. */
export async function tryQuota(parts: TrialParts): Promise<void> {
  const size = String(TRIAL_BYTES)
  const places = [WORKSPACE_INSIDE, '']
  await writeTooMuch(parts, { kind: 'quota', bytes: TRIAL_BYTES }, places, { StorageOpt: { size } })
}

/** Rejects with why file systems of a fixed size do not work, or do not go away. */
export async function tryLoop(parts: TrialParts, volumes: LoopVolumes): Promise<void> {
  const disk: DiskVolume = { kind: 'device', path: volumes.device(TRIAL_CLAIM) }
  try {
    const { userBase } = await sandboxHost(await parts.engine.info())
    await volumes.make(TRIAL_CLAIM, TRIAL_BYTES, userBase)
    await writeTooMuch(parts, disk, [WORKSPACE_INSIDE], {})
  } finally {
    const remove = (): Promise<void> => volumes.remove(TRIAL_CLAIM)
    await confirmGone('trial', [{ what: 'its file system', remove }], GONE_MS_MAX)
  }
}

async function writeTooMuch(
  parts: TrialParts,
  disk: DiskVolume,
  places: readonly string[],
  more: Readonly<Record<string, unknown>>
): Promise<void> {
  const { engine, peerId } = parts
  const labels = { [TRIAL_LABEL]: peerId }
  const name = trialName('disk', peerId)
  try {
    const image = await engine.importRoot(Readable.from([EMPTY_ROOT]), labels)
    const body = await trialBody(parts, image, program(places))
    const mount = volumeMount({ suffix: '', target: WORKSPACE_INSIDE, disk }, name, labels, 0)
    const id = await engine.create(name, nativePlatform(await engine.info()), {
      ...body,
      HostConfig: { ...body.HostConfig, ...more, Mounts: [...body.HostConfig.Mounts, mount] }
    } satisfies ContainerBody)
    await engine.start(id)
    const code = await exitCode(engine, id)
    if (code !== STOPPED) throw new Error(`nothing stopped a container there (exit ${code})`)
  } finally {
    await reapTrials(engine, peerId)
  }
}

/** Exits with STOPPED where each place took something, and not all. */
function program(places: readonly string[]): string {
  const lines = places.flatMap((place) => [
    `! ${BUSYBOX_INSIDE} dd if=/dev/zero of=${place}/trial bs=1M count=${TRIAL_MIB} || exit 1`,
    `[ -s ${place}/trial ] || exit 2`
  ])
  return [...lines, `exit ${STOPPED}`].join('\n')
}

async function refusal(attempt: () => Promise<void>): Promise<string | undefined> {
  try {
    await attempt()
    return undefined
  } catch (error) {
    return causeOf(error)
  }
}

function softly(cause: string): DiskShown {
  const found = `nothing but a look every few seconds keeps jobs to their disk: ${cause}`
  const fix =
    'run the agent as root with e2fsprogs and util-linux installed, or set disk.limit to soft ' +
    'in agent.yaml'
  return { control: 'watch', problems: [{ part: 'disk', blocking: false, found, fix }] }
}
