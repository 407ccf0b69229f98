import { Readable } from 'node:stream'
import { causeOf } from '../../protocol/core/errors.ts'
import { nativePlatform } from '../execute/native-platform.ts'
import { BUILDER } from '../execute/profile-builder.ts'
import { differences } from '../execute/read-back.ts'
import { reapTrials, TRIAL_LABEL } from '../execute/reaping.ts'
import type { HostProblem } from './host-profile.ts'
import { EMPTY_ROOT, exitCode, type TrialParts, trialBody, trialName } from './trial.ts'

/**
 * What a builder does, by the mounted busybox: a user namespace, and a mount in it. And what nobody
 * may: an engine that opened more would have lost our filter.
 */
const SCRIPT = [
  'b=/.runner-mesh/busybox',
  '$b unshare -U -r true || exit 10',
  '$b unshare -U -r -m -u $b mount -o rbind /dev /sys || exit 11',
  '$b unshare -U -r -n true 2>/dev/null && exit 12',
  '$b unshare -U -r -m $b mount -t tmpfs none /sys 2>/dev/null && exit 13',
  'exit 0'
].join('\n')

const SAID: ReadonlyMap<number, string> = new Map([
  [10, 'its kernel refuses user namespaces to users without rights'],
  [11, 'a user namespace may not mount there'],
  [12, 'its filter of system calls lets a job make a network of its own'],
  [13, 'its filter of system calls lets a job mount file systems']
])

const FIX =
  'let users without rights make user namespaces (user.max_user_namespaces above 0; on Ubuntu ' +
  'kernel.apparmor_restrict_unprivileged_userns 0), or set builder to off in agent.yaml'

/**
 * Makes a container as builders of images get them, tries in it what they do, and removes it. Gives
 * what keeps such jobs from running here; never rejects.
 */
export async function tryBuilder(parts: TrialParts): Promise<HostProblem | undefined> {
  const { engine, peerId } = parts
  try {
    await reapTrials(engine, peerId)
    return refusal(await trial(parts))
  } catch (error) {
    return refusal(causeOf(error))
  } finally {
    // What cannot be removed is left to the reaper.
    await reapTrials(engine, peerId).catch(() => [])
  }
}

/** Why not; undefined where nothing stands against it. */
async function trial(parts: TrialParts): Promise<string | undefined> {
  const { engine, peerId } = parts
  const labels = { [TRIAL_LABEL]: peerId }
  const image = await engine.importRoot(Readable.from([EMPTY_ROOT]), labels)
  const body = await trialBody(parts, image, SCRIPT, BUILDER)
  const platform = nativePlatform(await engine.info())
  const id = await engine.create(trialName('builder', peerId), platform, body)
  const stored = await engine.inspect(id)
  if (stored === undefined) return 'somebody removed its trial'
  const [difference] = differences(body, stored)
  if (difference !== undefined) return `the engine made it otherwise than asked: ${difference}`
  await engine.start(id)
  const code = await exitCode(engine, id)
  return code === 0 ? undefined : (SAID.get(code) ?? `its trial ended with exit code ${code}`)
}

function refusal(cause: string | undefined): HostProblem | undefined {
  if (cause === undefined) return undefined
  const found = `no job builds images here: ${cause}`
  return { part: 'builder', blocking: false, found, fix: FIX }
}
