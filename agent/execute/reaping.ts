import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Disks } from './disk/disks.ts'
import type { Engine } from './engine.ts'
import { GROUND_DIR } from './ground.ts'
import type { JobGroups } from './group/job-groups.ts'
import { confirmGone, type Leftover } from './removal.ts'

/** Ids of the claims whose things somebody still owns. Asked anew before each removal. */
export type OwnedClaims = () => Promise<ReadonlySet<string>>

type TrialThings = Pick<
  Engine,
  'containers' | 'images' | 'volumes' | 'remove' | 'removeImage' | 'removeVolume'
>
type Things = Pick<
  Engine,
  'containers' | 'networks' | 'volumes' | 'remove' | 'removeNetwork' | 'removeVolume'
>

/** On a trial's container and image: never `runner-mesh.peer`, which is on what jobs run in. */
export const TRIAL_LABEL = 'runner-mesh.trial'

export interface ReapingParts {
  readonly engine: Things
  readonly disks?: Pick<Disks, 'reap'> | undefined
  readonly groups?: Pick<JobGroups, 'reap'> | undefined
  /** Told by its labels: several agents may share one engine. */
  readonly peerId: string
  readonly workspaces: string
  readonly leases: string
  readonly owned: OwnedClaims
  /** Within which one thing must be gone. */
  readonly limitMs: number
}

type Labels = Readonly<Record<string, string>>

/**
 * Removes containers, volumes, disks, control groups, networks, sources and lease folders of this
 * agent that nobody owns, and gives the containers' names. Throws SANDBOX_FAILED with what is left,
 * once all else is gone.
 */
export async function reap(parts: ReapingParts): Promise<string[]> {
  const { engine, peerId, workspaces, limitMs } = parts
  const mine = { 'runner-mesh.peer': peerId }
  const isOwned = async (claim: string): Promise<boolean> => (await parts.owned()).has(claim)
  const gone: string[] = []
  const failures: unknown[] = []
  const onFailure = (error: unknown): number => failures.push(error)
  for (const { id, name, labels } of await engine.containers(mine)) {
    // A claim that began after the list was made has things of its own among them.
    if (await isOwned(claimOf(labels))) continue
    // By its id: meanwhile a new attempt of the same job may have a container of this name.
    const container = { what: `container ${name}`, remove: () => engine.remove(id) }
    await confirm(labels, container, limitMs).then(() => gone.push(name), onFailure)
  }
  for (const { name, labels } of await engine.volumes(mine)) {
    if (await isOwned(claimOf(labels))) continue
    const volume = { what: `volume ${name}`, remove: () => engine.removeVolume(name) }
    await confirm(labels, volume, limitMs).catch(onFailure)
  }
  // Behind the volumes, which are mounted of them.
  for (const things of [parts.disks, parts.groups]) {
    failures.push(...((await things?.reap(isOwned)) ?? []))
  }
  for (const { id, name, labels } of await engine.networks(mine)) {
    if (await isOwned(claimOf(labels))) continue
    const network = { what: `network ${name}`, remove: () => engine.removeNetwork(id) }
    await confirm(labels, network, limitMs).catch(onFailure)
  }
  await reapWorkspaces(workspaces, isOwned)
  await reapLeases(parts, isOwned)
  if (failures.length > 0) throw failures[0]
  return gone
}

/**
 * Removes what trials of this agent have left, and gives the containers' names. An engine that goes
 * away in the middle of one keeps its things, and may even make them later. What cannot be removed
 * is left for the next time. Never while a trial is under way. Throws the engine's own errors.
 */
export async function reapTrials(engine: TrialThings, peerId: string): Promise<string[]> {
  const labels = { [TRIAL_LABEL]: peerId }
  const gone: string[] = []
  const onLeft = (): void => undefined
  for (const { id, name } of await engine.containers(labels)) {
    await engine.remove(id).then(() => gone.push(name), onLeft)
  }
  for (const { name } of await engine.volumes(labels)) {
    await engine.removeVolume(name).then(onLeft, onLeft)
  }
  for (const id of await engine.images(labels)) await engine.removeImage(id).then(onLeft, onLeft)
  return gone
}

/** Resolves once no container of this claim is left. Throws SANDBOX_FAILED. */
export async function clearClaim(
  { engine, peerId, limitMs }: Pick<ReapingParts, 'engine' | 'peerId' | 'limitMs'>,
  claimId: string
): Promise<void> {
  const its = { 'runner-mesh.peer': peerId, 'runner-mesh.claim': claimId }
  for (const { id, name, labels } of await engine.containers(its)) {
    await confirm(labels, { what: `container ${name}`, remove: () => engine.remove(id) }, limitMs)
  }
}

/** Left by a process that was killed in the middle of a checkout. */
async function reapWorkspaces(
  workspaces: string,
  isOwned: (claim: string) => Promise<boolean>
): Promise<void> {
  for (const name of await namesIn(workspaces)) {
    if (name !== GROUND_DIR && !(await isOwned(name))) await remove(join(workspaces, name))
  }
}

/**
 * Left by a process that was killed while it held a lease. Never of a container that still exists:
 * it may run, and its guard would end it for want of a deadline.
 */
async function reapLeases(
  parts: ReapingParts,
  isOwned: (claim: string) => Promise<boolean>
): Promise<void> {
  const { engine, leases, peerId } = parts
  for (const name of await namesIn(leases)) {
    const claim = name.slice(name.lastIndexOf('-') + 1)
    const its = { 'runner-mesh.peer': peerId, 'runner-mesh.claim': claim }
    if ((await engine.containers(its)).length > 0 || (await isOwned(claim))) continue
    await remove(join(leases, name))
  }
}

async function confirm(labels: Labels, leftover: Leftover, limitMs: number): Promise<void> {
  await confirmGone(labels['runner-mesh.job'] ?? leftover.what, [leftover], limitMs)
}

function claimOf(labels: Labels): string {
  return labels['runner-mesh.claim'] ?? ''
}

async function namesIn(dir: string): Promise<readonly string[]> {
  return await readdir(dir).catch(() => [])
}

async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true })
}
