import type { Gpu, GpuVendor } from './gpu.ts'
import { needsOf } from './gpu-needs.ts'
import type { GpuRequest } from './gpu-request.ts'
import { GPU_WHOLE } from './gpu-request-limits.ts'
import type { GpuHold, GpuOffer, GpuRoom, GpuTerms } from './gpu-terms.ts'
import type { Unmet } from './requirements.ts'
import type { Trust } from './trust.ts'

/** A job's wish for GPUs, with what its gateway says of it. */
export interface GpuWish {
  readonly request: GpuRequest
  readonly trust: Trust
}

export type GpuChoice =
  | { readonly kind: 'chosen'; readonly holds: readonly GpuHold[] }
  /** The first requirement that is not met. */
  | { readonly kind: 'unmet'; readonly unmet: Unmet }

/** What the host lacks to ever run the job, whatever else it runs; undefined where it has it. */
export function unmetGpu(wish: GpuWish, offer: GpuOffer): Unmet | undefined {
  const suiting = suitableGpus(wish, offer)
  return suiting.kind === 'unmet' ? suiting.unmet : undefined
}

/** What the GPUs lack that other jobs leave, where the host has what it takes; else undefined. */
export function lacksGpu(wish: GpuWish, room: GpuRoom): Unmet | undefined {
  const suiting = suitableGpus(wish, room)
  if (suiting.kind === 'unmet') return undefined
  const choice = choiceAmong(wish.request, freeOnes(wish, suiting.gpus, room), suiting.gpus)
  return choice.kind === 'unmet' ? choice.unmet : undefined
}

/**
 * GPUs for a job, the same ones whoever computes it from the same room. There is a choice wherever
 * there can be one, since each GPU is asked for the same, so that none is worth more to the job
 * than another but for its place. Of those that do: all on as few NUMA nodes as can be, then the
 * smallest share, the one with the least left, the least memory, and of the smallest nodes.
 */
export function chooseGpus(wish: GpuWish, room: GpuRoom): GpuChoice {
  const suiting = suitableGpus(wish, room)
  if (suiting.kind === 'unmet') return suiting
  return choiceAmong(wish.request, freeOnes(wish, suiting.gpus, room), suiting.gpus)
}

type Suitable =
  | { readonly kind: 'suitable'; readonly gpus: readonly Gpu[] }
  | { readonly kind: 'unmet'; readonly unmet: Unmet }

/** Those of a host that are as the job wants them, be they free or not. */
function suitableGpus({ request, trust }: GpuWish, { gpus = [], gpuTerms }: GpuOffer): Suitable {
  const { count } = request
  let left = undivided(gpus)
  if (left.length === 0) return unmet('gpu', String(count), 'none')
  if (trust !== 'trusted' && gpuTerms?.untrusted !== true) {
    return unmet('gpu', 'one for untrusted jobs', 'refused by its owner')
  }
  if (trust !== 'trusted') left = left.filter(({ vendor }) => !isGuarded(vendor, gpuTerms))
  if (left.length === 0) {
    return unmet('gpu', 'one for untrusted jobs', 'none: its container toolkit is too old for them')
  }
  if (left.length < count) return unmet('gpu', String(count), String(left.length))
  for (const { requirement, wanted, meets, offered } of needsOf(request)) {
    const met = left.filter(meets)
    if (met.length < count) {
      const what = count === 1 ? wanted : `${count} with ${wanted}`
      return unmet(requirement, what, distinct(left.map(offered)))
    }
    left = met
  }
  const largest = Math.max(...byNode(left).map((node) => node.length))
  if (request.sameNuma === true && largest < count) {
    return unmet('gpu numa node', `${count} on one`, `at most ${largest} on one`)
  }
  return { kind: 'suitable', gpus: left }
}

function isGuarded(vendor: GpuVendor, terms: GpuTerms | undefined): boolean {
  return terms?.trustedOnly?.includes(vendor) === true
}

/** Nothing runs on a GPU that is divided, whoever lists it beside its parts. */
function undivided(gpus: readonly Gpu[]): readonly Gpu[] {
  const parents = new Set(
    gpus.filter(({ health }) => health !== 'lost').map(({ parent }) => parent)
  )
  return gpus.filter(({ id }) => !parents.has(id))
}

interface Candidate extends GpuHold {
  readonly gpu: Gpu
  /** Of GPU_WHOLE: what the job has not asked for, and what nobody has after it. */
  readonly wasted: number
  readonly left: number
  /** Its owner lets jobs share it, and this one has it alone. */
  readonly spoiled: boolean
}

/** Those of which the job can have what it asks for, beside what is held. */
function freeOnes(
  wish: GpuWish,
  gpus: readonly Gpu[],
  { gpusHeld = [], gpuTerms }: GpuRoom
): readonly Candidate[] {
  const taken = new Map<string, number>()
  for (const { id, units } of gpusHeld) taken.set(id, (taken.get(id) ?? 0) + units)
  const blocked = new Set(gpusHeld.flatMap(({ parent }) => parent ?? []))
  const slots = new Map(gpuTerms?.shares.map((each) => [each.id, each.slots]))
  return gpus.flatMap((gpu): Candidate[] => {
    const { id, parent } = gpu
    // Of a GPU that was divided, or made whole, since a job has it.
    if (blocked.has(id) || (parent !== undefined && taken.has(parent))) return []
    const units = unitsOf(wish, slots.get(id) ?? 1)
    const left = GPU_WHOLE - (taken.get(id) ?? 0) - units
    if (left < 0) return []
    const wasted = units - GPU_WHOLE / (wish.request.shareOf ?? 1)
    const spoiled = units === GPU_WHOLE && slots.has(id)
    return [{ gpu, id, units, parent, left, wasted, spoiled }]
  })
}

/** As many whole slots as hold the share; all of it where jobs do not share it. */
function unitsOf({ request: { shareOf }, trust }: GpuWish, slots: number): number {
  if (shareOf === undefined || trust !== 'trusted' || slots === 1) return GPU_WHOLE
  return Math.ceil(slots / shareOf) * (GPU_WHOLE / slots)
}

function choiceAmong(
  { count, sameNuma }: GpuRequest,
  free: readonly Candidate[],
  all: readonly Gpu[]
): GpuChoice {
  if (free.length < count) {
    return unmet('free gpu', String(count), `${free.length} of ${all.length}`)
  }
  const nodes = byNode(free.toSorted(cheaperFirst), ({ gpu }) => gpu)
  const whole = nodes.filter((node) => node.length >= count)
  const [best] = whole.map((node) => node.slice(0, count)).sort(cheaperChoice(nodes))
  if (best !== undefined) return { kind: 'chosen', holds: best.map(holdOf) }
  if (sameNuma === true) {
    const largest = Math.max(...nodes.map((node) => node.length))
    return unmet('free gpu numa node', `${count} on one`, `at most ${largest} on one`)
  }
  const spread = nodes.toSorted((a, b) => b.length - a.length || cheaperFirst(first(a), first(b)))
  return { kind: 'chosen', holds: spread.flat().slice(0, count).map(holdOf) }
}

function cheaperFirst(a: Candidate, b: Candidate): number {
  return (
    a.wasted - b.wasted ||
    a.left - b.left ||
    memoryOf(a) - memoryOf(b) ||
    Number(a.spoiled) - Number(b.spoiled) ||
    (a.id < b.id ? -1 : 1)
  )
}

/** Of choices each on one node; where they cost the same, of the node with the least beside it. */
function cheaperChoice(nodes: readonly (readonly Candidate[])[]) {
  const sizes = new Map(nodes.flatMap((node) => node.map(({ id }) => [id, node.length])))
  const sum = (choice: readonly Candidate[], of: (each: Candidate) => number): number =>
    choice.reduce((total, each) => total + of(each), 0)
  return (a: readonly Candidate[], b: readonly Candidate[]): number =>
    sum(a, ({ wasted }) => wasted) - sum(b, ({ wasted }) => wasted) ||
    sum(a, ({ left }) => left) - sum(b, ({ left }) => left) ||
    sum(a, memoryOf) - sum(b, memoryOf) ||
    sum(a, ({ spoiled }) => Number(spoiled)) - sum(b, ({ spoiled }) => Number(spoiled)) ||
    (sizes.get(first(a).id) ?? 0) - (sizes.get(first(b).id) ?? 0) ||
    (first(a).id < first(b).id ? -1 : 1)
}

/** One whose memory is not known may be the largest. */
function memoryOf({ gpu }: Candidate): number {
  return gpu.memoryBytes ?? Number.MAX_SAFE_INTEGER / GPU_WHOLE
}

/** In the order of the first of each; those without a node are on one, as on a host with one. */
function byNode(gpus: readonly Gpu[]): readonly (readonly Gpu[])[]
function byNode<T>(items: readonly T[], of: (item: T) => Gpu): readonly (readonly T[])[]
function byNode<T>(
  items: readonly T[],
  of: (item: T) => Gpu = (item) => item as Gpu
): readonly (readonly T[])[] {
  const nodes = new Map<number | undefined, T[]>()
  for (const item of items) {
    const { numaNode } = of(item)
    const node = nodes.get(numaNode)
    if (node === undefined) nodes.set(numaNode, [item])
    else node.push(item)
  }
  return [...nodes.values()]
}

function first(choice: readonly Candidate[]): Candidate {
  const [each] = choice
  if (each === undefined) throw new Error('a choice of nothing')
  return each
}

function holdOf({ id, units, parent }: Candidate): GpuHold {
  return { id, units, ...(parent === undefined ? {} : { parent }) }
}

function unmet(requirement: string, wanted: string, offered: string) {
  return { kind: 'unmet', unmet: { requirement, wanted, offered } } as const
}

const OFFERED_MAX = 3

/** Each once, in the order of a host's GPUs. */
function distinct(offered: readonly string[]): string {
  const each = [...new Set(offered)]
  const more = each.length > OFFERED_MAX ? ` and ${each.length - OFFERED_MAX} more` : ''
  return `${each.slice(0, OFFERED_MAX).join(', ')}${more}`
}
