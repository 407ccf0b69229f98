import { expect, test } from 'vitest'
import type { RegisterRequest, RegisterValue } from '../../../../protocol/core/messages.ts'
import type { JobSpec, SealedAnnouncement } from '../../../../protocol/core/run.ts'
import {
  WITNESS_BYTES_PER_UNIT,
  WITNESS_WORK_BURST
} from '../../../../protocol/core/witness-limits.ts'
import { sealAnnouncement } from '../../../../protocol/wire/announcement.ts'
import { sealRoster } from '../../../../protocol/wire/roster-codec.ts'
import { keyOfSeed, type MemoryMesh, type MemoryPeer } from '../../../support/memory-mesh.ts'
import { openMesh as open } from '../../../support/open-mesh.ts'
import { acceptOf, codeOf, jobValue, scopeOf } from '../../../support/witness-asks.ts'

/** Some 0.9 MB in fifteen jobs. */
const LARGE: readonly Partial<JobSpec>[] = Array.from({ length: 15 }, () => ({
  steps: [{ name: 'build', run: 'x'.repeat(60_000), timeoutMs: undefined }]
}))
const LOOK: RegisterRequest = { kind: 'announcement', annHash: 'ab'.repeat(32) }
const LOOK_UNITS = 8
/** What a witness may charge for requests and earn back while a test runs: far below one run. */
const SLACK_UNITS = 200

function largeRun(mesh: MemoryMesh, at: number, fields: { readonly floor?: number } = {}) {
  return mesh.announce({ jobs: LARGE, commit: at.toString(16).padStart(4, 'b'), ...fields })
}

function unitsOfRun({ bytes }: SealedAnnouncement): number {
  return bytes.byteLength / WITNESS_BYTES_PER_UNIT
}

interface Push {
  readonly sealed: SealedAnnouncement
  readonly witness: MemoryPeer
  readonly index?: number
  readonly attemptsMax?: number
  readonly isForged?: boolean
  /** The witness epoch that it is asked for. */
  readonly epoch?: number
}

/** Asks the witness to accept the first value of a job, and has it find the announcement itself. */
async function pushed(mesh: MemoryMesh, by: MemoryPeer, push: Push): Promise<string> {
  const { sealed, witness, index = 0, attemptsMax = 3, isForged = false, epoch = 1 } = push
  const scope = { ...scopeOf(witness, sealed, index), witnessEpoch: epoch }
  const body = { kind: 'create', annHash: sealed.annHash, attemptsMax } as const
  const claim = { kind: 'claim', claimId: 'cd'.repeat(16), boot: by.boot, leaseMs: 3_000 } as const
  // Only what was claimed may have moved to a later epoch.
  const value =
    epoch === 1
      ? jobValue(by, scope, body)
      : jobValue(by, scope, claim, jobValue(witness, scope, body))
  const { sig } = jobValue(by, scope, { ...body, attemptsMax: 1 }).op
  const sent = isForged ? { ...value, op: { ...value.op, sig } } : value
  const request = acceptOf(by, scope, sent as RegisterValue)
  return codeOf(await mesh.settle(witness.service.handle(by.peerId, request)))
}

/** Spends the rest of a peer's purse, and says how much it was. */
async function spend(mesh: MemoryMesh, by: MemoryPeer, witness: MemoryPeer): Promise<number> {
  for (let asked = 0; asked <= WITNESS_WORK_BURST / LOOK_UNITS; asked += 1) {
    const reply = await mesh.settle(witness.service.handle(by.peerId, LOOK))
    if (codeOf(reply) === 'overload') return asked * LOOK_UNITS
  }
  return expect.fail('more than a burst')
}

/** What it has spent of a full purse. */
async function spentOf(mesh: MemoryMesh, by: MemoryPeer, witness: MemoryPeer): Promise<number> {
  return WITNESS_WORK_BURST - (await spend(mesh, by, witness))
}

test('who relays large runs of a gateway owes nothing for them, nor does the gateway', async () => {
  const mesh = await open()
  const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const runs = Array.from({ length: 15 }, (_, at) => largeRun(mesh, at))
  for (const sealed of runs) {
    gateway.shelf.put(sealed)
    expect(await pushed(mesh, agent, { sealed, witness })).toBe('accepted')
  }

  expect(await spentOf(mesh, agent, witness)).toBeLessThan(SLACK_UNITS)
  expect(await spentOf(mesh, gateway, witness)).toBeLessThan(SLACK_UNITS)
})

test('many jobs of one run that come at once are one fetch, owed at most once', async () => {
  const mesh = await open()
  const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  // By the gateway itself, to whom no fetch of its own announcement is free.
  const sealed = largeRun(mesh, 0)
  agent.shelf.put(sealed)
  await Promise.all(LARGE.map((_, index) => pushed(mesh, gateway, { sealed, witness, index })))

  const spent = await spentOf(mesh, gateway, witness)
  expect(spent).toBeGreaterThan(unitsOfRun(sealed) - SLACK_UNITS)
  expect(spent).toBeLessThan(unitsOfRun(sealed) + SLACK_UNITS)
})

/** What a gateway never asked anybody to bring: whoever does pays, and the gateway never. */
test.each<[string, (mesh: MemoryMesh, hostile: MemoryPeer) => Promise<SealedAnnouncement>]>([
  [
    'for another job',
    async (mesh, hostile) => {
      const sealed = largeRun(mesh, 0)
      mesh.peer(0).shelf.put(sealed)
      expect(await pushed(mesh, hostile, { sealed, witness: mesh.peer(2), attemptsMax: 2 })).toBe(
        'invalid'
      )
      return sealed
    }
  ],
  [
    'of another witness epoch',
    async (mesh, hostile) => {
      const { announcement } = largeRun(mesh, 0)
      const sealed = sealAnnouncement(mesh.peer(0).key, { ...announcement, witnessEpoch: 2 })
      mesh.peer(0).shelf.put(sealed)
      expect(await pushed(mesh, hostile, { sealed, witness: mesh.peer(2) })).toBe('invalid')
      return sealed
    }
  ],
  [
    'of an earlier witness epoch, of which a job may have moved,',
    async (mesh, hostile) => {
      const sealed = largeRun(mesh, 0)
      const before = mesh.rosters.current() ?? expect.fail('no roster')
      const head = { version: 2, prevHash: before.hash, witnessEpoch: 2 }
      mesh.rosters.add(sealRoster(await keyOfSeed(0), { ...before.roster, ...head }))
      mesh.peer(0).shelf.put(sealed)
      await pushed(mesh, hostile, { sealed, witness: mesh.peer(2), epoch: 2 })
      return sealed
    }
  ],
  [
    'below the floor of its gateway',
    async (mesh, hostile) => {
      const [sealed, later] = [largeRun(mesh, 0), mesh.announce({ commit: 'c1', floor: 1 })]
      await mesh.settle(mesh.peer(0).record(later))
      mesh.peer(0).shelf.put(sealed)
      await pushed(mesh, hostile, { sealed, witness: mesh.peer(2) })
      return sealed
    }
  ],
  [
    'by one that is no gateway',
    async (mesh, hostile) => {
      const sealed = mesh.announce({ jobs: LARGE, by: hostile })
      hostile.shelf.put(sealed)
      expect(await pushed(mesh, hostile, { sealed, witness: mesh.peer(2) })).toBe('invalid')
      return sealed
    }
  ]
])('an announcement %s is owed by who pushes it, and not by its gateway', async (_, pushes) => {
  const mesh = await open()
  const [gateway, hostile, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const sealed = await pushes(mesh, hostile)

  expect(await spentOf(mesh, hostile, witness)).toBeGreaterThan(unitsOfRun(sealed) - SLACK_UNITS)
  expect(await spentOf(mesh, gateway, witness)).toBeLessThan(SLACK_UNITS)
})

test('what a witness has let go again is fetched at the expense of who pushes it', async () => {
  const mesh = await open()
  const [gateway, hostile, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const [sealed, ...others] = Array.from({ length: 45 }, (_, at) => largeRun(mesh, at))
  if (sealed === undefined) throw new Error('no run')
  gateway.shelf.put(sealed)
  const push = { sealed, witness, isForged: true }

  expect(await pushed(mesh, hostile, push)).toBe('invalid')
  for (const one of others) witness.shelf.put(one)
  expect(witness.shelf.held(sealed.annHash)).toBeUndefined()
  expect(await pushed(mesh, hostile, push)).toBe('invalid')

  const spent = await spentOf(mesh, hostile, witness)
  expect(spent).toBeGreaterThan(unitsOfRun(sealed) - SLACK_UNITS)
  expect(spent).toBeLessThan(unitsOfRun(sealed) + SLACK_UNITS)
  expect(await spentOf(mesh, gateway, witness)).toBeLessThan(SLACK_UNITS)
})

test('what a witness reads from its own disk is owed by who pushes it', async () => {
  const mesh = await open()
  const [gateway, agent, witness] = [mesh.peer(0), mesh.peer(1), mesh.peer(2)]
  const sealed = largeRun(mesh, 0)
  await mesh.settle(gateway.record(sealed))
  await mesh.settle(witness.restart())
  expect(await pushed(mesh, agent, { sealed, witness })).toBe('accepted')

  expect(await spentOf(mesh, agent, witness)).toBeGreaterThan(unitsOfRun(sealed) - SLACK_UNITS)
  expect(await spentOf(mesh, gateway, witness)).toBeLessThan(SLACK_UNITS)
})
