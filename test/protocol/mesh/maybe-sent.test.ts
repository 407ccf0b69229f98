import { expect, test } from 'vitest'
import type { JobOpBody } from '../../../protocol/core/job.ts'
import type { RegisterRequest } from '../../../protocol/core/messages.ts'
import { jobIdOf, type SealedAnnouncement } from '../../../protocol/core/run.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { refOf } from '../../../protocol/mesh/board/run-ledger.ts'
import { RunRecorder } from '../../../protocol/mesh/board/run-recorder.ts'
import type { ChangeOptions } from '../../../protocol/mesh/registers/register-client.ts'
import { digest } from '../../../protocol/wire/digest.ts'
import { PROTOCOLS } from '../../../protocol/wire/ids.ts'
import { decodeRegisterRequest } from '../../../protocol/wire/register-codec.ts'
import { MemoryMembers, succeeded } from '../../support/memory-members.ts'
import { type MemoryMesh, type MemoryPeer, THREE } from '../../support/memory-mesh.ts'
import { type MemoryNetwork, NO_FAULTS } from '../../support/memory-transport.ts'
import { openMesh } from '../../support/open-mesh.ts'
import { acceptOf, jobValue, runValue, scopeOf } from '../../support/witness-asks.ts'

const CLAIM = 'ab'.repeat(16)
const OP_ID = 'cd'.repeat(16)

function sentBy(network: MemoryNetwork, peerId: string): readonly RegisterRequest[] {
  return network.passed
    .filter(({ from, protocol }) => from === peerId && protocol === PROTOCOLS.register)
    .map(({ body }) => decodeRegisterRequest(body))
}

/** A recorded run whose job exists at the third peer's witness only; ops on it by `agent`. */
async function halfCreated(mesh: MemoryMesh, agent: MemoryPeer) {
  const [gateway, witness] = [mesh.peer(0), mesh.peer(2)]
  const sealed = mesh.announce()
  await mesh.settle(gateway.record(sealed))
  await mesh.clock.advance(20)
  const scope = scopeOf(witness, sealed, 0)
  const body = { kind: 'create', annHash: sealed.annHash, attemptsMax: 3 } as const
  const created = jobValue(agent, scope, body)
  await mesh.settle(agent.ask(witness, acceptOf(agent, scope, created)))
  const { register } = scope
  const claim = { kind: 'claim', claimId: CLAIM, boot: agent.boot, leaseMs: 3_000 } as const
  const op = agent.signer.jobOp(register, OP_ID, claim)
  const change = (options?: ChangeOptions) => {
    return agent.client.change(refOf(sealed, register), op, options)
  }
  const fresh = () => {
    const other = agent.signer.jobOp(register, 'ef'.repeat(16), claim)
    return mesh.settle(agent.client.change(refOf(sealed, register), other))
  }
  return { witness, change, fresh }
}

test('an accept that reached one witness keeps an empty majority from being a no', async () => {
  const mesh = await openMesh({ roles: [...THREE, ['agent']] })
  const agent = mesh.peer(3)
  const { witness, change, fresh } = await halfCreated(mesh, agent)
  const stop = new AbortController()
  mesh.network.isolate(mesh.peer(0).peerId)
  const aborted = expect(change({ signal: stop.signal })).rejects.toThrow('given up')
  const isOut = () => sentBy(mesh.network, agent.peerId).some(({ kind }) => kind === 'accept')
  mesh.network.passed.length = 0
  await mesh.clock.until(isOut, 1_000)
  mesh.network.isolate(mesh.peer(1).peerId)
  await mesh.clock.advance(20)
  stop.abort(new Error('given up'))
  await aborted
  mesh.network.heal()
  mesh.network.isolate(witness.peerId)

  const again = await mesh.settle(change())
  expect(again).toMatchObject({ kind: 'unresolved', ambiguous: true })
  // An op that never left this process is told no at once.
  expect(await fresh()).toMatchObject({ kind: 'rejected', reason: 'absent' })

  mesh.network.heal()
  expect(await mesh.settle(change())).toMatchObject({ kind: 'same', value: { epoch: 1 } })
})

test('an accept of the process before keeps it from a no too, where the caller says so', async () => {
  const mesh = await openMesh()
  const agent = mesh.peer(1)
  const { witness, change, fresh } = await halfCreated(mesh, agent)
  mesh.network.isolate(mesh.peer(0).peerId)
  const stopped = expect(change()).rejects.toMatchObject({ code: 'STOPPING' })
  mesh.network.passed.length = 0
  const isOut = () => sentBy(mesh.network, agent.peerId).some(({ kind }) => kind === 'accept')
  await mesh.clock.until(isOut, 1_000)
  // Our own witness forgets it: its sync comes too late.
  agent.store.hold()
  await mesh.clock.advance(20)
  await mesh.settle(agent.client.stop())
  await stopped
  await mesh.settle(agent.restart())
  mesh.network.heal()
  mesh.network.isolate(witness.peerId)

  const again = await mesh.settle(change({ maybeSent: true }))
  expect(again).toMatchObject({ kind: 'unresolved', ambiguous: true })
  expect(await fresh()).toMatchObject({ kind: 'rejected', reason: 'absent' })

  mesh.network.heal()
  const last = await mesh.settle(change({ maybeSent: true }))
  expect(last).toMatchObject({ kind: 'same', value: { epoch: 1 } })
})

const ENDS: readonly JobOpBody[] = [
  { kind: 'complete', epoch: 1, claimId: CLAIM, outcome: succeeded(1) },
  { kind: 'release', epoch: 1, claimId: CLAIM, reason: 'drained', userCodeRan: true }
]

/** Says `body` after a restart, to witnesses that a first wave does not reach; what it wrote. */
async function saidAgain(mesh: MemoryMembers, sealed: SealedAnnouncement, body: JobOpBody) {
  const jobId = jobIdOf(sealed.announcement.runId, 0)
  await mesh.restart(3)
  await mesh.clock.advance(3_000)
  const { peerId } = mesh.member(3)
  mesh.network.passed.length = 0
  mesh.network.faults = { ...NO_FAULTS, lossRate: 1 }
  const said = mesh.member(3).changeJob(jobId, OP_ID, body)
  const isOut = () => sentBy(mesh.network, peerId).some(({ kind }) => kind === 'prepare')
  await mesh.clock.until(isOut, 1_000)
  mesh.network.faults = NO_FAULTS
  const result = await mesh.settle(said)
  return { result, accepts: sentBy(mesh.network, peerId).filter(({ kind }) => kind === 'accept') }
}

test.each(ENDS)('a no to a $kind said again comes after a write-back', async (body) => {
  const mesh = await MemoryMembers.open({ roles: [...THREE, ['agent']], gossip: false })
  const sealed = mesh.announce()
  await mesh.settle(mesh.member(0).recordRun(sealed))
  await mesh.settle(mesh.claim(3, sealed, CLAIM))
  await mesh.clock.advance(4_000)
  expect(await mesh.settle(mesh.claim(1, sealed, OP_ID))).toMatchObject({ kind: 'applied' })

  const end = await saidAgain(mesh, sealed, body)
  expect(end.result).toMatchObject({ kind: 'rejected', reason: 'stale_epoch' })
  expect(end.accepts.length).toBeGreaterThan(0)

  // What nobody says a second time is answered by a read.
  const error = { kind: 'error', reason: 'agent_lost', message: '' } as const
  const other = await saidAgain(mesh, sealed, error)
  expect(other.result).toMatchObject({ kind: 'rejected', reason: 'not_allowed' })
  expect(other.accepts).toEqual([])
})

test('a run is recorded as an op that an earlier process may have sent', async () => {
  const mesh = await openMesh()
  const gateway = mesh.peer(0)
  const sealed = mesh.announce()
  const asked: (ChangeOptions | undefined)[] = []
  const facts = { highestRound: 1, chosen: undefined, lagging: [], outstanding: [], refused: [] }
  const { clock, random } = mesh
  const recorder = new RunRecorder({
    client: {
      change: async (_ref, _op, options) => {
        asked.push(options)
        return { kind: 'applied', value: runValue(gateway, sealed), ...facts }
      }
    },
    // Another's announcement is not chosen here.
    ledger: undefined as never,
    feed: { addRun: () => true },
    rosters: mesh.rosters,
    log: silentLog(),
    ...{ sets: gateway.sets, signer: gateway.signer, digest: digest(), clock, random }
  })

  expect(await recorder.record(sealed)).toEqual(sealed)
  expect(asked).toMatchObject([{ maybeSent: true, announcement: sealed.bytes }])
})
