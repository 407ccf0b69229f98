import { expect, test } from 'vitest'
import { MANIFEST_BYTES_MAX } from '../../../../protocol/core/limits.ts'
import type { Role } from '../../../../protocol/core/roster.ts'
import { jobIdOf } from '../../../../protocol/core/run.ts'
import { digest } from '../../../../protocol/wire/digest.ts'
import { sealRoster } from '../../../../protocol/wire/roster-codec.ts'
import { keyOfSeed, type MemoryPeer, THREE } from '../../../support/memory-mesh.ts'
import { openMesh as open } from '../../../support/open-mesh.ts'
import {
  acceptOf,
  codeOf,
  jobValue,
  prepareOf,
  runValue,
  scopeOf
} from '../../../support/witness-asks.ts'

test('a run comes with the bytes of its announcement, by a gateway of that roster', async () => {
  const mesh = await open()
  const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const sealed = mesh.announce()
  const foreign = mesh.announce({ by: agent })
  const forged = sealed.bytes.slice()
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
  const accept = (announcement: Uint8Array, of = sealed, by = gateway) => {
    const value = runValue(gateway, of)
    const request = acceptOf(by, scopeOf(witness, of), value, { announcement })
    return mesh.settle(by.ask(witness, request).then(codeOf))
  }

  expect(await accept(forged)).toBe('invalid')
  expect(await accept(foreign.bytes)).toBe('invalid')
  expect(await accept(foreign.bytes, foreign)).toBe('invalid')
  expect(await accept(sealed.bytes)).toBe('accepted')
})

test('an oversized announcement is refused before it is opened', async () => {
  const mesh = await open()
  const [gateway, witness] = [mesh.peer(0), mesh.peer(2)]
  const sealed = mesh.announce()
  const announcement = new Uint8Array(MANIFEST_BYTES_MAX + 1)
  const value = runValue(gateway, sealed)
  const request = acceptOf(gateway, scopeOf(witness, sealed), value, { announcement })

  const reply = await mesh.settle(witness.service.handle(gateway.peerId, request))

  expect(codeOf(reply)).toBe('invalid')
})

test('only a gateway may record a run, whoever announced it', async () => {
  const mesh = await open()
  const [agent, witness] = [mesh.peer(1), mesh.peer(2)]
  const sealed = mesh.announce()
  const announcement = sealed.bytes
  const value = runValue(agent, sealed)

  const request = acceptOf(agent, scopeOf(witness, sealed), value, { announcement })

  expect(codeOf(await mesh.settle(agent.ask(witness, request)))).toBe('not_allowed')
})

test('a job is created by its manifest alone', async () => {
  const mesh = await open()
  const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const sealed = mesh.announce({ jobs: [{ onLoss: 'error' }, {}] })
  await mesh.settle(gateway.record(sealed))
  const { annHash } = sealed
  const create = async (index: number, attemptsMax: number) => {
    const scope = scopeOf(witness, sealed, index)
    const value = jobValue(agent, scope, { kind: 'create', annHash, attemptsMax })
    return codeOf(await mesh.settle(agent.ask(witness, acceptOf(agent, scope, value))))
  }

  expect(await create(0, 3)).toBe('invalid')
  expect(await create(2, 3)).toBe('invalid')
  expect(await create(1, 1)).toBe('invalid')
  expect(await create(0, 1)).toBe('accepted')
  expect(await create(1, 3)).toBe('accepted')
})

test('a witness without the announcement asks for it, and keeps it', async () => {
  const mesh = await open()
  const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  mesh.network.isolate(witness.peerId)
  const sealed = mesh.announce()
  await mesh.settle(gateway.record(sealed))
  mesh.network.heal()
  const scope = scopeOf(witness, sealed, 0)
  const { annHash } = sealed
  const value = jobValue(agent, scope, { kind: 'create', annHash, attemptsMax: 3 })

  const reply = await mesh.settle(agent.ask(witness, acceptOf(agent, scope, value)))

  expect(codeOf(reply)).toBe('accepted')
  await mesh.settle(witness.restart())
  const kept = await mesh.settle(agent.ask(witness, { kind: 'announcement', annHash }))
  expect(kept.kind === 'announcement' && kept.bytes).toEqual(sealed.bytes)
})

test('an announcement that nobody has keeps the job from being created', async () => {
  const mesh = await open()
  const [agent, witness] = [mesh.peer(1), mesh.peer(2)]
  const sealed = mesh.announce()
  const scope = scopeOf(witness, sealed, 0)
  const { annHash } = sealed
  const value = jobValue(agent, scope, { kind: 'create', annHash, attemptsMax: 3 })

  const reply = await mesh.settle(agent.ask(witness, acceptOf(agent, scope, value)))

  expect(codeOf(reply)).toBe('announcement_missing')
})

test('a value with a forged signature is refused', async () => {
  const mesh = await open()
  const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const sealed = mesh.announce()
  await mesh.settle(gateway.record(sealed))
  const scope = scopeOf(witness, sealed, 0)
  const body = { kind: 'create', annHash: sealed.annHash, attemptsMax: 3 } as const
  const own = jobValue(agent, scope, body)
  if (own.kind !== 'job') throw new Error('a job was made')
  // The gateway's name under the agent's signature.
  const op = { ...own.op, actor: gateway.peerId }
  const lastOps = [{ opId: op.opId, actor: op.actor }]
  const value = { ...own, op, lastOps }

  const reply = await mesh.settle(agent.ask(witness, acceptOf(agent, scope, value)))

  expect(reply).toMatchObject({ kind: 'rejected', code: 'invalid' })
})

test('an accept that another member brings counts only with its proposer’s signature', async () => {
  const mesh = await open()
  const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const sealed = mesh.announce()
  const scope = scopeOf(witness, sealed)
  const own = acceptOf(gateway, scope, runValue(gateway, sealed), { announcement: sealed.bytes })
  const { ballot, proposerSig } = own
  const hash = digest().hash(own.value)
  const relay = (sig: string) => {
    return mesh.settle(agent.ask(witness, { ...own, proposerSig: sig }).then(codeOf))
  }

  // By the one who brings it, of another ballot, of another register.
  const { register, witnessEpoch } = scope
  const sign = gateway.signer.proposal
  const forged = [
    agent.signer.proposal(register, witnessEpoch, ballot, hash),
    sign(register, witnessEpoch, { ...ballot, round: 2 }, hash),
    sign(jobIdOf(register, 0), witnessEpoch, ballot, hash),
    sign(register, witnessEpoch + 1, ballot, hash)
  ]
  for (const sig of forged) expect(await relay(sig)).toBe('not_allowed')
  expect(await relay(proposerSig)).toBe('accepted')
})

test('a late accept is refused by its ballot, before any signature is looked at', async () => {
  const mesh = await open()
  const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const sealed = mesh.announce()
  const scope = scopeOf(witness, sealed)
  await mesh.settle(agent.ask(witness, prepareOf(agent, scope, 9)))
  const own = acceptOf(gateway, scope, runValue(gateway, sealed), { announcement: sealed.bytes })

  const late = await mesh.settle(agent.ask(witness, { ...own, proposerSig: '00'.repeat(64) }))

  expect(codeOf(late)).toBe('ballot')
})

test('a role counts in the roster of the register’s epoch and in the current one', async () => {
  const mesh = await open({ roles: [...THREE, ['gateway']] })
  const [gateway, left, witness, joined] = [0, 1, 2, 3].map((index) => mesh.peer(index))
  if (!gateway || !left || !witness || !joined) throw new Error('four')
  const sealed = mesh.announce({ jobs: [{}, {}, {}] })
  await mesh.settle(gateway.record(sealed))
  for (const index of [0, 1, 2]) await mesh.settle(witness.create(sealed, index))
  await mesh.clock.advance(20)
  const before = mesh.rosters.current()
  if (before === undefined) throw new Error('no roster')
  const roles = new Map<string, readonly Role[]>([
    [left.peerId, ['witness']],
    [joined.peerId, ['agent']]
  ])
  const members = before.roster.members.map((member) => {
    return { ...member, roles: roles.get(member.peerId) ?? member.roles }
  })
  const head = { version: 2, prevHash: before.hash, witnessEpoch: 2, members }
  mesh.rosters.add(sealRoster(await keyOfSeed(0), { ...before.roster, ...head }))

  const claim = async (by: MemoryPeer, index: number) => {
    const scope = scopeOf(witness, sealed, index)
    const read = await mesh.settle(by.ask(witness, { kind: 'read', scope }))
    const prev = read.kind === 'value' ? read.accepted?.value : undefined
    const body = { kind: 'claim', claimId: 'cd'.repeat(16), boot: by.boot, leaseMs: 3_000 } as const
    const request = acceptOf(by, scope, jobValue(by, scope, body, prev), { round: 50 })
    return codeOf(await mesh.settle(by.ask(witness, request)))
  }
  expect(await claim(left, 0)).toBe('accepted')
  expect(await claim(joined, 1)).toBe('accepted')
  expect(await claim(gateway, 2)).toBe('not_allowed')
})
