import { expect, test } from 'vitest'
import type { JobState } from '../../../../protocol/core/job.ts'
import { LEASE_PROFILES } from '../../../../protocol/core/lease-profile.ts'
import type { RegisterValue } from '../../../../protocol/core/messages.ts'
import { landingOf } from '../../../../protocol/core/move.ts'
import { reduce } from '../../../../protocol/core/register-reducer.ts'
import * as limits from '../../../../protocol/core/roster-limits.ts'
import { jobIdOf } from '../../../../protocol/core/run.ts'
import { refOf } from '../../../../protocol/mesh/board/run-ledger.ts'
import type { RegisterClient } from '../../../../protocol/mesh/registers/register-client.ts'
import { MoveProofs } from '../../../../protocol/mesh/witness/move-proofs.ts'
import { digest } from '../../../../protocol/wire/digest.ts'
import { sealRoster } from '../../../../protocol/wire/roster-codec.ts'
import { succeeded } from '../../../support/memory-members.ts'
import { keyOfSeed, type MemoryPeer } from '../../../support/memory-mesh.ts'
import { openMesh } from '../../../support/open-mesh.ts'
import { acceptOf, codeOf, made, scopeOf } from '../../../support/witness-asks.ts'

/* The same three witnesses keep two registers of one job: under the first epoch and the second. */

const CLAIM = 'ab'.repeat(16)
const MOVE = { kind: 'move', witnessEpoch: 2, reason: 'witness_gone' } as const

/** A job that the second member holds; the third is a witness, and no holder. */
async function leased() {
  const mesh = await openMesh()
  const [gateway, agent, rogue] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const before = mesh.rosters.current()
  if (before === undefined) throw new Error('no roster')
  const sealed = mesh.announce()
  await mesh.settle(gateway.record(sealed))
  await mesh.settle(agent.create(sealed))
  const claimed = await mesh.settle(agent.claim(sealed, CLAIM))
  if (claimed.kind !== 'applied' || claimed.value.kind !== 'job') throw new Error(claimed.kind)
  const head = { version: 2, prevHash: before.hash, witnessEpoch: 2 }
  mesh.rosters.add(sealRoster(await keyOfSeed(0), { ...before.roster, ...head }))
  const jobId = jobIdOf(sealed.announcement.runId, 0)

  /** Asks each witness to accept the value under that epoch. */
  async function accepts(by: MemoryPeer, value: RegisterValue, witnessEpoch: number, round = 50) {
    const codes: string[] = []
    for (const witness of mesh.peers) {
      const scope = { ...scopeOf(witness, sealed, 0), witnessEpoch }
      const request = acceptOf(by, scope, value, { round })
      codes.push(codeOf(await mesh.settle(by.ask(witness, request))))
    }
    return codes
  }

  const ref = { ...refOf(sealed, jobId), witnessEpoch: 2 }
  return { mesh, gateway, agent, rogue, sealed, jobId, value: claimed.value, accepts, ref }
}

function after(by: MemoryPeer, value: JobState, body: Parameters<typeof by.signer.jobOp>[2]) {
  const op = by.signer.jobOp(value.register, by.boot.repeat(2), body)
  const next = made(reduce(value, value.register, op, digest()))
  if (next.kind !== 'job') throw new Error('a run')
  return next
}

function landed(moved: JobState): JobState {
  const landing = landingOf(moved)
  if (landing === undefined) throw new Error('no stop-sign')
  return landing
}

function all(code: string): readonly string[] {
  return Array(3).fill(code)
}

test('a landing without a chosen stop-sign is refused, whoever signs it', async () => {
  const { agent, rogue, gateway, value, accepts } = await leased()
  for (const by of [agent, rogue, gateway]) {
    const landing = landed(after(by, value, MOVE))
    expect(await accepts(by, landing, 2)).toEqual(all('invalid'))
  }
})

test('what a stop-sign leads to begins once, with the bytes that all make of it', async () => {
  const { mesh, gateway, agent, sealed, value, accepts, ref } = await leased()
  const moved = await mesh.settle(agent.change(sealed, MOVE))
  if (moved.kind !== 'applied' || moved.value.kind !== 'job') throw new Error(moved.kind)
  const other = landed(after(gateway, value, { ...MOVE, reason: 'otherwise' }))
  expect(await accepts(gateway, other, 2)).toEqual(all('invalid'))

  const landing = landed(moved.value)
  const begun = await mesh.settle(gateway.client.change(ref, undefined, { landing }))
  expect(begun).toMatchObject({ kind: 'applied', value: { phase: 'leased', epoch: 1 } })
  const again = await mesh.settle(agent.client.change(ref, undefined, { landing }))
  expect(again).toMatchObject({ kind: 'same', value: landing })
})

test('a stop-sign that is left at one witness is written back, and the job lands', async () => {
  const { mesh, gateway, agent, rogue, sealed, ref } = await leased()
  mesh.network.isolate(rogue.peerId)
  const moved = await mesh.settle(agent.change(sealed, MOVE))
  if (moved.kind !== 'applied' || moved.value.kind !== 'job') throw new Error(moved.kind)
  // Longer than anybody goes on pushing it to the one that lags.
  await mesh.clock.advance(10_000)
  mesh.network.heal()
  mesh.network.isolate(gateway.peerId)

  const landing = landed(moved.value)
  const begun = await mesh.settle(agent.client.change(ref, undefined, { landing }))
  expect(begun).toMatchObject({ kind: 'applied', value: { phase: 'leased', epoch: 1 } })
})

test('a made-up landing is refused where the job began, and where it has landed already', async () => {
  const { mesh, gateway, agent, rogue, sealed, value, accepts, ref } = await leased()
  const ofNowhere = { prevHash: 'ab'.repeat(32), attempts: 3 }
  const home = landed(after(rogue, value, { ...MOVE, witnessEpoch: 1 }))
  expect(await accepts(rogue, { ...home, ...ofNowhere }, 1)).toEqual(all('invalid'))

  const moved = await mesh.settle(agent.change(sealed, MOVE))
  if (moved.kind !== 'applied' || moved.value.kind !== 'job') throw new Error(moved.kind)
  const landing = landed(moved.value)
  await mesh.settle(gateway.client.change(ref, undefined, { landing }))
  const other = { ...landed(after(rogue, value, MOVE)), ...ofNowhere }
  expect(await accepts(rogue, other, 2, 60)).toEqual(all('invalid'))
  expect(await accepts(rogue, landing, 2, 70)).toEqual(all('accepted'))
})

test('a lease that came along is not taken over before the landing is known', async () => {
  const { mesh, agent, rogue, sealed, accepts } = await leased()
  const moved = await mesh.settle(agent.change(sealed, MOVE))
  if (moved.kind !== 'applied' || moved.value.kind !== 'job') throw new Error(moved.kind)
  const claim = { kind: 'claim', claimId: 'cd'.repeat(16), boot: rogue.boot } as const
  const taken = after(rogue, landed(moved.value), { ...claim, leaseMs: 3_000 })

  expect(await accepts(rogue, taken, 2)).toEqual(all('lease_alive'))
  await mesh.clock.advance(LEASE_PROFILES.short.takeOverMs)
  expect(await accepts(rogue, taken, 2, 60)).toEqual(all('accepted'))
})

test('an agent does not move the job of another, and nobody moves one to nowhere', async () => {
  const mesh = await openMesh({ roles: [['gateway', 'witness'], ['agent', 'witness'], ['agent']] })
  const [gateway, agent, stranger] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const sealed = mesh.announce()
  await mesh.settle(gateway.record(sealed))
  await mesh.settle(agent.create(sealed))
  await mesh.settle(agent.claim(sealed, CLAIM))
  const before = mesh.rosters.current()
  if (before === undefined) throw new Error('no roster')
  const head = { version: 2, prevHash: before.hash, witnessEpoch: 2 }
  mesh.rosters.add(sealRoster(await keyOfSeed(0), { ...before.roster, ...head }))
  const codes = ({ refused }: { refused: readonly { code: string }[] }) => {
    return [...new Set(refused.map(({ code }) => code))]
  }

  const foreign = await mesh.settle(stranger.change(sealed, MOVE))
  expect(foreign.kind).toBe('unresolved')
  expect(codes(foreign)).toEqual(['not_allowed'])
  const nowhere = await mesh.settle(agent.change(sealed, { ...MOVE, witnessEpoch: 9 }))
  expect(nowhere.kind).toBe('unresolved')
  expect(codes(nowhere)).toEqual(['wrong_roster'])
  expect(await mesh.settle(agent.change(sealed, MOVE))).toMatchObject({ kind: 'applied' })
})

test('a lease keeps its length where the witnesses have another profile', async () => {
  const { mesh, agent, sealed, ref } = await leased()
  const current = mesh.rosters.current()
  if (current === undefined) throw new Error('no roster')
  const long = { ...current.roster, lease: 'default' } as const
  mesh.rosters.add(sealRoster(await keyOfSeed(0), long))
  const moved = await mesh.settle(agent.change(sealed, MOVE))
  if (moved.kind !== 'applied' || moved.value.kind !== 'job') throw new Error(moved.kind)
  const landing = landed(moved.value)

  const begun = await mesh.settle(agent.client.change(ref, undefined, { landing }))
  expect(begun).toMatchObject({ kind: 'applied', value: { lease: { leaseMs: 3_000 } } })
  const renewal = { kind: 'reaffirm', epoch: 1, claimId: CLAIM, boot: agent.boot } as const
  const op = agent.signer.jobOp(ref.register, 'ee'.repeat(16), renewal)
  expect(await mesh.settle(agent.client.change(ref, op))).toMatchObject({ kind: 'applied' })
  const claim = { kind: 'claim', claimId: 'cd'.repeat(16), boot: agent.boot, leaseMs: 3_000 }
  await mesh.clock.advance(LEASE_PROFILES.short.takeOverMs)
  const short = agent.signer.jobOp(ref.register, 'dd'.repeat(16), claim as never)
  const taken = await mesh.settle(agent.client.change(ref, short))
  expect(taken).toMatchObject({ kind: 'unresolved' })
  const whole = { ...claim, leaseMs: 30_000 }
  const op30 = agent.signer.jobOp(ref.register, 'cc'.repeat(16), whole as never)
  expect(await mesh.settle(agent.client.change(ref, op30))).toMatchObject({ kind: 'applied' })
})

/*
 * Witnesses of the first epoch are 1, 2 and 3, of the second 1, 2 and 4: the landing came to 1 and
 * 2 alone, and then 1 was lost too. Of those that could tell where the job came from, 2 is left.
 */
async function landedAtTwo() {
  const A = ['agent', 'witness'] as const
  const mesh = await openMesh({ roles: [['gateway'], A, A, A, A] })
  const [gateway, first, holder, gone, late] = [0, 1, 2, 3, 4].map((index) => mesh.peer(index))
  if (!gateway || !first || !holder || !gone || !late) throw new Error('five')
  const all = mesh.rosters.current()
  if (all === undefined) throw new Error('no roster')
  const seated = async (version: number, without: MemoryPeer) => {
    const members = all.roster.members.map((member) => {
      if (member.peerId !== without.peerId) return member
      return { ...member, roles: ['agent' as const], witness: undefined }
    })
    const before = mesh.rosters.current()
    const head = { version, prevHash: before?.hash ?? '', witnessEpoch: version, members }
    mesh.rosters.add(sealRoster(await keyOfSeed(0), { ...all.roster, ...head, w: 3 }))
  }
  await seated(1, late)
  const sealed = mesh.announce()
  await mesh.settle(gateway.record(sealed))
  await mesh.settle(holder.create(sealed))
  await mesh.settle(holder.claim(sealed, CLAIM))
  mesh.network.isolate(gone.peerId)
  await seated(2, gone)
  const moved = await mesh.settle(holder.change(sealed, MOVE))
  if (moved.kind !== 'applied' || moved.value.kind !== 'job') throw new Error(moved.kind)
  const landing = landed(moved.value)
  const jobId = jobIdOf(sealed.announcement.runId, 0)
  const ref = { ...refOf(sealed, jobId), witnessEpoch: 2 }
  mesh.network.isolate(gone.peerId, late.peerId)
  const begun = await mesh.settle(holder.client.change(ref, undefined, { landing }))
  if (begun.kind !== 'applied') throw new Error(begun.kind)
  // What pushes the landing to the one that missed it has given up by now.
  await mesh.clock.advance(5_000)
  mesh.network.heal()
  mesh.network.isolate(gone.peerId)
  mesh.network.isolate(first.peerId)
  return { mesh, gateway, holder, late, sealed, landing, ref }
}

test('a job that has landed ends where all but one of those that saw it move are lost', async () => {
  const { mesh, holder, ref } = await landedAtTwo()
  const body = { kind: 'complete', epoch: 1, claimId: CLAIM, outcome: succeeded(1) } as const
  const op = holder.signer.jobOp(ref.register, 'ef'.repeat(16), body)

  const ended = await mesh.settle(holder.client.change(ref, op))
  expect(ended).toMatchObject({ kind: 'applied', value: { phase: 'succeeded', epoch: 1 } })
})

test('a late witness that has the landing from one other guards the lease in it', async () => {
  const { mesh, gateway, late, sealed, landing } = await landedAtTwo()
  const claim = { kind: 'claim', claimId: 'cd'.repeat(16), boot: late.boot } as const
  const taken = after(late, landing, { ...claim, leaseMs: 3_000 })
  const scope = { ...scopeOf(late, sealed, 0), witnessEpoch: 2 }
  const ask = async (value: RegisterValue, round: number) => {
    return codeOf(await mesh.settle(late.ask(late, acceptOf(late, scope, value, { round }))))
  }

  expect(await ask(taken, 50)).toBe('lease_alive')
  const made = landed(after(gateway, { ...landing, version: landing.version - 1 }, MOVE))
  expect(await ask(made, 55)).toBe('invalid')
  await mesh.clock.advance(LEASE_PROFILES.short.takeOverMs)
  expect(await ask(taken, 60)).toBe('accepted')
})

test('where nobody shows the job, nothing is taken from those that cannot tell', async () => {
  const { mesh, gateway, late, sealed, landing } = await landedAtTwo()
  mesh.network.isolate(late.peerId, gateway.peerId)
  const scope = { ...scopeOf(late, sealed, 0), witnessEpoch: 2 }
  const request = acceptOf(gateway, scope, landing, { round: 50, announcement: sealed.bytes })
  expect(codeOf(await mesh.settle(gateway.ask(late, request)))).toBe('wrong_roster')
})

/** The proofs of one witness, with the reads that they cost; their answers come after `held`. */
function countedProofs(
  { mesh, gateway }: Awaited<ReturnType<typeof leased>>,
  held: Promise<void> = Promise.resolve()
) {
  const reads: string[] = []
  const client: Pick<RegisterClient, 'read'> = {
    read: async (ref, options) => {
      reads.push(`${ref.register}@${ref.witnessEpoch}`)
      const read = await gateway.client.read(ref, options)
      await held
      return read
    }
  }
  return { reads, proofs: new MoveProofs({ client, clock: mesh.clock, digest: digest() }) }
}

function questionsOf(world: Awaited<ReturnType<typeof leased>>) {
  const { gateway, sealed, value, rogue } = world
  const madeUp = landed(after(rogue, value, MOVE))
  const scope = { ...scopeOf(gateway, sealed, 0), witnessEpoch: 2 }
  const { ann } = refOf(sealed, scope.register)
  return (asker: string, gwSeq = ann.gwSeq) => {
    const asked = { ...scope, ann: { ...ann, gwSeq } }
    return { scope: asked, value: madeUp, fromEpoch: 1, asker }
  }
}

test('landings that are asked about at once cost the reads of one', async () => {
  const world = await leased()
  const { reads, proofs } = countedProofs(world)
  const question = questionsOf(world)

  const asked = Array.from({ length: 50 }, (_, index) => proofs.problem(question(`peer ${index}`)))
  const replies = await world.mesh.settle(Promise.all(asked))

  expect(new Set(replies.map((reply) => reply && codeOf(reply)))).toEqual(new Set(['invalid']))
  // One that began before the others asked is a no to its own asker alone.
  expect(reads.length).toBeLessThanOrEqual(2)
})

test('a member that makes up landings has its own proofs refused, and nobody else’s', async () => {
  const world = await leased()
  const { mesh, rogue, agent } = world
  const { reads, proofs } = countedProofs(world)
  const question = questionsOf(world)
  const ask = async (asker: string, gwSeq: number) => {
    const reply = await mesh.settle(proofs.problem(question(asker, gwSeq)))
    return reply && codeOf(reply)
  }
  for (let count = 0; count < limits.MOVE_PROOFS_BURST; count += 1) {
    expect(await ask(rogue.peerId, 100 + count)).toBe('invalid')
  }
  // What came in while it asked.
  while ((await ask(rogue.peerId, 50)) !== 'overload');
  const before = reads.length

  expect(await ask(rogue.peerId, 51)).toBe('overload')
  expect(reads.length).toBe(before)
  expect(await ask(agent.peerId, 52)).toBe('invalid')
  await mesh.clock.advance(60_000 / limits.MOVE_PROOFS_PER_MIN_MAX)
  expect(await ask(rogue.peerId, 53)).toBe('invalid')
})

test('a no to a landing keeps none out that is asked about while it is sought', async () => {
  const world = await leased()
  const { mesh, agent, sealed, rogue } = world
  const { promise: held, resolve: release } = Promise.withResolvers<void>()
  const { proofs } = countedProofs(world, held)
  const question = questionsOf(world)
  const early = proofs.problem(question(rogue.peerId))
  // Its reads have shown a job that has not moved, when it does.
  await mesh.clock.advance(1_000)
  const moved = await mesh.settle(agent.change(sealed, MOVE))
  if (moved.kind !== 'applied' || moved.value.kind !== 'job') throw new Error(moved.kind)

  const late = proofs.problem({ ...question(agent.peerId), value: landed(moved.value) })
  release()
  const [no, yes] = await mesh.settle(Promise.all([early, late]))

  expect(no && codeOf(no)).toBe('invalid')
  expect(yes).toBeUndefined()
})
