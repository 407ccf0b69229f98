import { expect, test } from 'vitest'
import type { JobOpBody, JobState } from '../../../protocol/core/job.ts'
import type { RegisterValue } from '../../../protocol/core/messages.ts'
import { reduce } from '../../../protocol/core/register-reducer.ts'
import { jobIdOf } from '../../../protocol/core/run.ts'
import { refOf } from '../../../protocol/mesh/board/run-ledger.ts'
import { digest } from '../../../protocol/wire/digest.ts'
import type { MemoryPeer } from '../../support/memory-mesh.ts'
import { openMesh } from '../../support/open-mesh.ts'
import { acceptOf, ballotOf, codeOf, made, renewalOf, scopeOf } from '../../support/witness-asks.ts'

/*
 * A member that signs what it says and uses only its own ballots, but proposes what no round gives:
 * it needs no promise for the value that it makes up.
 */

const CLAIM = 'ab'.repeat(16)
const ROGUE_CLAIM = 'cd'.repeat(16)

/** A job of three witnesses, held by the second member; the third one is the rogue. */
async function leased() {
  const mesh = await openMesh()
  const [gateway, agent, rogue] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const sealed = mesh.announce()
  await mesh.settle(gateway.record(sealed))
  await mesh.settle(agent.create(sealed))
  const claimed = await mesh.settle(agent.claim(sealed, CLAIM))
  if (claimed.kind !== 'applied' || claimed.value.kind !== 'job') throw new Error(claimed.kind)
  const jobId = jobIdOf(sealed.announcement.runId, 0)
  let round = 50

  /** A round of the rogue with this value: how each witness answers the accept. */
  async function forces(value: RegisterValue): Promise<readonly string[]> {
    round += 1
    const codes: string[] = []
    for (const witness of mesh.peers) {
      const scope = scopeOf(witness, sealed, 0)
      const ballot = ballotOf(rogue, round)
      const prepare = { kind: 'prepare', scope, ballot, intent: 'op' } as const
      expect(codeOf(await mesh.settle(rogue.ask(witness, prepare)))).toBe('promise')
      const accept = acceptOf(rogue, scope, value, { round })
      codes.push(codeOf(await mesh.settle(rogue.ask(witness, accept))))
    }
    return codes
  }

  async function renews(): Promise<readonly string[]> {
    const answers: string[] = []
    for (const witness of mesh.peers) {
      const items = [renewalOf(agent, scopeOf(witness, sealed, 0), 1, CLAIM)]
      const reply = await mesh.settle(agent.ask(witness, { kind: 'renew', items, seenSeq: 0 }))
      answers.push(reply.kind === 'renewed' ? (reply.items[0]?.answer ?? 'none') : reply.kind)
    }
    return answers
  }

  async function chosen(): Promise<RegisterValue | undefined> {
    const read = await mesh.settle(gateway.client.read(refOf(sealed, jobId), { settle: 'never' }))
    return read.kind === 'chosen' ? read.value : undefined
  }

  return { mesh, rogue, agent, jobId, sealed, value: claimed.value, forces, renews, chosen }
}

function lifeOf(by: MemoryPeer, jobId: string, ...bodies: readonly JobOpBody[]): RegisterValue {
  const life = bodies.reduce<RegisterValue | undefined>((prev, body, index) => {
    const op = by.signer.jobOp(jobId, `${index}`.repeat(32), body)
    return made(reduce(prev, jobId, op, digest()))
  }, undefined)
  if (life === undefined) throw new Error('no op')
  return life
}

/** What the rogue would have in the place of the lease, of another past than the chosen one. */
function pastsOf(rogue: MemoryPeer, jobId: string, { annHash, attemptsMax }: JobState) {
  const create = { kind: 'create', annHash, attemptsMax } as const
  const mine = { epoch: 1, claimId: ROGUE_CLAIM } as const
  const claim = { kind: 'claim', claimId: ROGUE_CLAIM, boot: rogue.boot, leaseMs: 3_000 } as const
  const release = { kind: 'release', ...mine, reason: 'drained', userCodeRan: false } as const
  return {
    'a job that was just created': lifeOf(rogue, jobId, create),
    'its own claim of the same epoch': lifeOf(rogue, jobId, create, claim),
    'the end of its own claim': lifeOf(rogue, jobId, create, claim, release)
  }
}

test('a lease that its holder has renewed is not put aside for another past', async () => {
  const { rogue, jobId, value, forces, renews, chosen } = await leased()
  expect(await renews()).toEqual(['ok', 'ok', 'ok'])

  for (const [name, forged] of Object.entries(pastsOf(rogue, jobId, value))) {
    expect(await forces(forged), name).toEqual(Array(3).fill('lease_alive'))
  }

  expect(await chosen()).toEqual(value)
  expect(await renews()).toEqual(['ok', 'ok', 'ok'])
})

test('nor is one whose witnesses have all restarted and not heard of the holder since', async () => {
  const { mesh, rogue, jobId, value, forces, chosen } = await leased()
  for (const peer of mesh.peers) await mesh.settle(peer.restart())

  for (const [name, forged] of Object.entries(pastsOf(rogue, jobId, value))) {
    expect(await forces(forged), name).toEqual(Array(3).fill('lease_alive'))
  }

  expect(await chosen()).toEqual(value)
})

test('a living lease is not ended by a cancel with a made-up history', async () => {
  const { rogue, jobId, value, forces, chosen } = await leased()
  const op = rogue.signer.jobOp(jobId, 'cc'.repeat(16), { kind: 'cancel', reason: 'mine' })
  const ended = { opId: '', argsHash: '', sig: '', end: 'expired', epoch: value.epoch } as const
  const forged: JobState = {
    ...value,
    version: value.version + 1,
    prevHash: 'ab'.repeat(32),
    phase: 'cancelled',
    lease: undefined,
    cancel: { by: rogue.peerId, reason: 'mine' },
    outcome: {
      epoch: value.epoch,
      state: 'cancelled',
      reason: 'cancelled',
      exitCode: undefined,
      message: 'mine',
      steps: [],
      durationMs: 0,
      logDigest: '',
      logLines: 0
    },
    history: [{ ...ended, holder: value.lease?.holder ?? '', claimId: CLAIM }],
    lastOps: [...value.lastOps, { opId: op.opId, actor: op.actor }],
    op
  }

  expect(await forces(forged)).toEqual(Array(3).fill('lease_alive'))

  expect(await chosen()).toEqual(value)
})

test('a job that was released and then cancelled is over at once', async () => {
  const { mesh, agent, sealed, renews, chosen } = await leased()
  await renews()
  const release = { kind: 'release', epoch: 1, claimId: CLAIM } as const

  await mesh.settle(agent.change(sealed, { ...release, reason: 'drained', userCodeRan: true }))
  const cancelled = await mesh.settle(agent.change(sealed, { kind: 'cancel', reason: 'enough' }))

  expect(cancelled.kind).toBe('applied')
  expect(await chosen()).toMatchObject({ phase: 'cancelled', epoch: 1 })
})
