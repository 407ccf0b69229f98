import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  gpusHeldOf,
  keepGpus,
  type Ledger,
  ledgerOf,
  release,
  releaseKept,
  reserve
} from '../../../protocol/core/capacity.ts'
import type { Gpu, GpuVendor } from '../../../protocol/core/gpu.ts'
import {
  chooseGpus,
  type GpuWish,
  lacksGpu,
  unmetGpu
} from '../../../protocol/core/gpu-allocation.ts'
import {
  computeTenthsOf,
  type GpuRequest,
  matchesModel,
  migProfileOf
} from '../../../protocol/core/gpu-request.ts'
import { GPU_WHOLE } from '../../../protocol/core/gpu-request-limits.ts'
import type { GpuHold, GpuRoom } from '../../../protocol/core/gpu-terms.ts'
import { fits, lacksRoom } from '../../../protocol/core/requirements.ts'
import { SAMPLE_ORIGIN, sampleAd, sampleSpec } from '../../support/arbitrary-board.ts'
import { A_GPU, gpuRequests, type HostGpus, hostGpus } from '../../support/arbitrary-gpu-rooms.ts'

const GIB = 2 ** 30
const ROOM = { cpuMilli: 64_000, memoryBytes: 64 * GIB, diskBytes: 640 * GIB, jobs: 64 }
const SMALL = { cpuMilli: 1, memoryBytes: 1, diskBytes: 1 }

const trusts = fc.constantFrom('trusted' as const, 'untrusted' as const)
const wishes: fc.Arbitrary<GpuWish> = fc.record({ request: gpuRequests, trust: trusts })
const plain = (request: GpuRequest): GpuWish => ({ request, trust: 'trusted' })

function gpu(patch: Partial<Gpu> = {}): Gpu {
  return { ...A_GPU, ...patch }
}

function roomOf({ gpus, gpuTerms }: HostGpus, ledger: Ledger): GpuRoom {
  return { gpus, gpuTerms, gpusHeld: gpusHeldOf(ledger) }
}

/** Claims jobs one after the other, and gives some back: as an agent does. */
type Act =
  | { readonly kind: 'claim'; readonly wish: GpuWish }
  | { readonly kind: 'end' | 'left' | 'removed'; readonly pick: number }

const acts: fc.Arbitrary<readonly Act[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('claim' as const), wish: wishes }) },
    fc.record({ kind: fc.constantFrom('end', 'left', 'removed'), pick: fc.nat(20) })
  ),
  { maxLength: 16 }
)

function played(host: HostGpus, done: readonly Act[]): Ledger {
  const play = new Play(host)
  for (const act of done) play.act(act)
  return play.ledger
}

class Play {
  ledger = ledgerOf(ROOM)
  readonly #host: HostGpus
  #claims = 0
  #running: readonly string[] = []
  #left: readonly string[] = []

  constructor(host: HostGpus) {
    this.#host = host
  }

  act(act: Act): void {
    if (act.kind === 'claim') this.#claim(act.wish)
    else this.#end(act)
  }

  #end(act: Exclude<Act, { kind: 'claim' }>): void {
    const jobs = act.kind === 'removed' ? this.#left : this.#running
    const job = jobs[act.pick % Math.max(1, jobs.length)]
    if (job === undefined) return
    this.#running = this.#running.filter((each) => each !== job)
    if (act.kind === 'end') this.ledger = release(this.ledger, job)
    if (act.kind === 'removed') this.ledger = releaseKept(this.ledger, job, 'c')
    if (act.kind === 'left') this.#leave(job)
  }

  #claim(wish: GpuWish): void {
    const choice = chooseGpus(wish, roomOf(this.#host, this.ledger))
    if (choice.kind === 'unmet') return
    const job = `R.${this.#claims}`
    const taken = reserve(this.ledger, job, SMALL, choice.holds)
    expect(taken.kind).toBe('reserved')
    this.ledger = taken.ledger
    this.#claims += 1
    this.#running = [...this.#running, job]
  }

  #leave(job: string): void {
    this.ledger = keepGpus(this.ledger, job, 'c')
    this.#left = [...this.#left, job]
  }
}

function holdersOf(ledger: Ledger): ReadonlyMap<string, readonly GpuHold[]> {
  const byGpu = new Map<string, GpuHold[]>()
  for (const hold of [...ledger.gpus.values()].flat()) {
    byGpu.set(hold.id, [...(byGpu.get(hold.id) ?? []), hold])
  }
  return byGpu
}

test('whatever is claimed and given back, no GPU is ever held by two that want all of it', () => {
  fc.assert(
    fc.property(hostGpus, acts, (host, done) => {
      const ledger = played(host, done)
      for (const holds of holdersOf(ledger).values()) {
        if (holds.some(({ units }) => units === GPU_WHOLE)) expect(holds).toHaveLength(1)
      }
    })
  )
})

test('shares of one GPU are never more than all of it, nor than its owner lets share it', () => {
  fc.assert(
    fc.property(hostGpus, acts, (host, done) => {
      for (const [id, holds] of holdersOf(played(host, done))) {
        expect(holds.reduce((sum, { units }) => sum + units, 0)).toBeLessThanOrEqual(GPU_WHOLE)
        const slots = host.gpuTerms.shares.find((each) => each.id === id)?.slots ?? 1
        expect(holds.length).toBeLessThanOrEqual(slots)
      }
    })
  )
})

test('of a GPU that is divided and its parts never both are held', () => {
  fc.assert(
    fc.property(hostGpus, acts, (host, done) => {
      const held = holdersOf(played(host, done))
      for (const [hold] of held.values()) expect(held.has(hold?.parent ?? '')).toBe(false)
    })
  )
})

test('an untrusted job shares with nobody, and has none where the owner says nothing', () => {
  fc.assert(
    fc.property(hostGpus, gpuRequests, (host, request) => {
      const choice = chooseGpus({ request, trust: 'untrusted' }, host)
      if (choice.kind === 'unmet') return
      expect(host.gpuTerms.untrusted).toBe(true)
      expect(choice.holds.every(({ units }) => units === GPU_WHOLE)).toBe(true)
      const kept = host.gpuTerms.trustedOnly ?? []
      expect(choice.holds.some(({ id }) => kept.some((vendor) => id.startsWith(vendor)))).toBe(
        false
      )
    })
  )
})

describe('beside all ways to choose, on small hosts:', () => {
  test('there is a choice exactly where one of them holds', () => {
    fc.assert(
      fc.property(hostGpus, acts, wishes, (host, done, wish) => {
        const room = roomOf(host, played(host, done))
        const choice = chooseGpus(wish, room)
        const all = subsetsOf(host.gpus, wish.request.count)
        const sound = all.filter((each) => isSound(each, wish, room))
        expect(choice.kind).toBe(sound.length > 0 ? 'chosen' : 'unmet')
        if (choice.kind !== 'chosen') return
        const ids = choice.holds.map(({ id }) => id).sort()
        const isOne = sound.some(
          (each) =>
            each
              .map(({ id }) => id)
              .sort()
              .join() === ids.join()
        )
        expect(isOne).toBe(true)
      })
    )
  })

  test('it fits and has room exactly where there is a choice', () => {
    fc.assert(
      fc.property(hostGpus, acts, wishes, (host, done, wish) => {
        const room = roomOf(host, played(host, done))
        const isFree = unmetGpu(wish, room) === undefined && lacksGpu(wish, room) === undefined
        expect(isFree).toBe(chooseGpus(wish, room).kind === 'chosen')
      })
    )
  })

  test('it spreads over no more NUMA nodes than any other would', () => {
    fc.assert(
      fc.property(hostGpus, acts, wishes, (host, done, wish) => {
        const room = roomOf(host, played(host, done))
        const choice = chooseGpus(wish, room)
        if (choice.kind === 'unmet') return
        const chosen = choice.holds.flatMap(
          ({ id }) => host.gpus.find((each) => each.id === id) ?? []
        )
        const sound = subsetsOf(host.gpus, wish.request.count).filter((each) =>
          isSound(each, wish, room)
        )
        expect(nodesOf(chosen)).toBe(Math.min(...sound.map(nodesOf)))
      })
    )
  })

  test('one GPU is one that wastes the least memory, where none is shared', () => {
    fc.assert(
      fc.property(hostGpus, acts, wishes, ({ gpus }, done, wish) => {
        const host = { gpus, gpuTerms: { shares: [], untrusted: true } }
        const room = roomOf(host, played(host, done))
        const one = { ...wish, request: { ...wish.request, count: 1 } }
        const choice = chooseGpus(one, room)
        if (choice.kind === 'unmet') return
        const memory = (id: string) => gpus.find((each) => each.id === id)?.memoryBytes ?? 0
        const others = gpus.filter((each) => isSound([each], one, room))
        const least = Math.min(...others.map(({ id }) => memory(id)))
        expect(choice.holds.map(({ id }) => memory(id))).toEqual([least])
      })
    )
  })
})

function subsetsOf(gpus: readonly Gpu[], count: number): readonly (readonly Gpu[])[] {
  const all = Array.from({ length: 2 ** gpus.length }, (_, bits) =>
    gpus.filter((_gpu, index) => (bits >> index) % 2 === 1)
  )
  return all.filter((each) => each.length === count)
}

/** As the rules are told, one after the other. */
function isSound(each: readonly Gpu[], { request, trust }: GpuWish, room: GpuRoom): boolean {
  if (trust !== 'trusted' && room.gpuTerms?.untrusted !== true) return false
  const keeps = (vendor: GpuVendor) => room.gpuTerms?.trustedOnly?.includes(vendor) === true
  if (trust !== 'trusted' && each.some(({ vendor }) => keeps(vendor))) return false
  if (request.sameNuma === true && nodesOf(each) > 1) return false
  return each.every((one) => isAsked(one, request) && isFree(one, { request, trust }, room))
}

function isAsked(one: Gpu, request: GpuRequest): boolean {
  const { vendor = one.vendor, model = '*', memoryBytes = 0, computeTenths = 0, gfx } = request
  const isMig = one.id.includes('MIG')
  return [
    one.health === 'ok',
    one.vendor === vendor,
    matchesModel(model, one.model),
    (one.memoryBytes ?? 0) >= memoryBytes,
    (computeTenthsOf(one) ?? 0) >= computeTenths,
    gfx === undefined || one.architecture === gfx,
    request.mig === undefined ? request.count === 1 || !isMig : migProfileOf(one) === request.mig
  ].every(Boolean)
}

function isFree(one: Gpu, { request, trust }: GpuWish, room: GpuRoom): boolean {
  const { gpus = [], gpusHeld = [], gpuTerms } = room
  const isDivided = gpus.some(({ parent, health }) => parent === one.id && health !== 'lost')
  const isApart = gpusHeld.every(({ id, parent }) => id !== one.parent && parent !== one.id)
  const slots = gpuTerms?.shares.find(({ id }) => id === one.id)?.slots ?? 1
  const shareOf = trust === 'trusted' ? (request.shareOf ?? 1) : 1
  const held = gpusHeld.reduce((sum, { id, units }) => sum + (id === one.id ? units : 0), 0)
  const isLeft = held / GPU_WHOLE + Math.ceil(slots / shareOf) / slots <= 1 + 1e-9
  return !isDivided && isApart && isLeft
}

function nodesOf(gpus: readonly Gpu[]): number {
  return new Set(gpus.map(({ numaNode }) => numaNode)).size
}

test('the same room gives the same choice, in whatever order its GPUs are listed', () => {
  fc.assert(
    fc.property(hostGpus, wishes, ({ gpus, gpuTerms }, wish) => {
      const reversed = { gpus: gpus.toReversed(), gpuTerms }
      const [one, other] = [chooseGpus(wish, { gpus, gpuTerms }), chooseGpus(wish, reversed)]
      if (one.kind === 'chosen') expect(other).toEqual(one)
      else expect(other.kind).toBe('unmet')
    })
  )
})

test('an agent fits by what its GPUs are, and has room by what its jobs hold of them', () => {
  const spec = sampleSpec({ gpu: { count: 1 } })
  const wanted = { spec, trust: 'trusted', origin: SAMPLE_ORIGIN } as const
  expect(fits(wanted, sampleAd()).map(({ requirement }) => requirement)).toEqual(['gpu'])
  const gpus = [gpu()]
  expect(fits(wanted, sampleAd({ gpus }))).toEqual([])
  expect(lacksRoom(wanted, sampleAd({ gpus }))).toEqual([])
  const gpusHeld = [{ id: A_GPU.id, units: GPU_WHOLE, jobs: ['R.0'] }]
  const busy = sampleAd({ gpus, gpusHeld })
  expect(fits(wanted, busy)).toEqual([])
  expect(lacksRoom(wanted, busy).map(({ requirement }) => requirement)).toEqual(['free gpu'])
})

test('a share goes where shares are, beside others, and leaves whole GPUs alone', () => {
  const gpus = [gpu(), gpu({ id: 'nvidia:GPU-1' }), gpu({ id: 'nvidia:GPU-2' })]
  const shares = gpus.slice(1).map(({ id }) => ({ id, slots: 4 }))
  const gpusHeld = [{ id: 'nvidia:GPU-2', units: GPU_WHOLE / 4 }]
  const room = { gpus, gpuTerms: { shares, untrusted: false }, gpusHeld }
  const quarter = { id: 'nvidia:GPU-2', units: GPU_WHOLE / 4 }
  expect(chooseGpus(plain({ count: 1, shareOf: 4 }), room)).toMatchObject({ holds: [quarter] })
  // Of four slots a third is two.
  const third = { ...quarter, units: GPU_WHOLE / 2 }
  expect(chooseGpus(plain({ count: 1, shareOf: 3 }), room)).toMatchObject({ holds: [third] })
  expect(chooseGpus(plain({ count: 1 }), room)).toMatchObject({ holds: [{ id: 'nvidia:GPU-0' }] })
})
