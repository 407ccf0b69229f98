import { expect, test } from 'vitest'
import { HINTS_BURST } from '../../../../protocol/core/limits.ts'
import { jobIdOf, type SealedAnnouncement } from '../../../../protocol/core/run.ts'
import { encodeJobsMessage } from '../../../../protocol/wire/hint-codec.ts'
import { PROTOCOLS, TOPICS } from '../../../../protocol/wire/ids.ts'
import { decodeRegisterRequest } from '../../../../protocol/wire/register-codec.ts'
import { MemoryMembers, succeeded } from '../../../support/memory-members.ts'
import { sealRun } from '../../../support/memory-mesh.ts'

const FOUR = [
  ['gateway', 'witness'],
  ['agent', 'witness'],
  ['agent', 'witness'],
  ['agent']
] as const
const CLAIM = 'ab'.repeat(16)
/** Less than an anti-entropy period, enough for messages and reads. */
const SOON_MS = 100

async function say(mesh: MemoryMembers, from: number, bytes: Uint8Array) {
  mesh.network.verdicts.length = 0
  await mesh.member(from).node.publish(TOPICS.jobs, bytes)
  await mesh.clock.advance(SOON_MS)
  return [...new Set(mesh.network.verdicts)]
}

function announcementOf(sealed: SealedAnnouncement): Uint8Array {
  return encodeJobsMessage({ kind: 'announcement', bytes: sealed.bytes, repeat: 0 })
}

function isKnown(mesh: MemoryMembers, index: number, sealed: SealedAnnouncement): boolean {
  return mesh.member(index).board.run(sealed.announcement.runId) !== undefined
}

test('a published run is on every board long before anti-entropy would bring it', async () => {
  const mesh = await MemoryMembers.open({ roles: FOUR })
  const sealed = mesh.announce()
  const heard: string[] = []
  mesh.member(3).on((event) => heard.push(event.kind))
  await mesh.settle(mesh.member(0).recordRun(sealed))

  await mesh.member(0).publish(sealed)
  await mesh.clock.advance(SOON_MS)

  expect(FOUR.map((_, index) => isKnown(mesh, index, sealed))).toEqual(FOUR.map(() => true))
  expect(heard).toContain('run')
})

test('an announcement that no quorum holds is on no board, however often it is said', async () => {
  const mesh = await MemoryMembers.open({ roles: FOUR })
  const sealed = mesh.announce()

  expect(await say(mesh, 0, announcementOf(sealed))).toEqual(['accept'])
  expect(await say(mesh, 0, announcementOf(sealed))).toEqual(['accept'])

  expect(FOUR.map((_, index) => isKnown(mesh, index, sealed))).toEqual(FOUR.map(() => false))
})

test('a run too large for gossip is told by a hint, and its bytes are fetched', async () => {
  const mesh = await MemoryMembers.open({ roles: FOUR })
  const run = 'x'.repeat(60_000)
  const steps = ['a', 'b', 'c'].map((name) => ({ name, run, timeoutMs: undefined }))
  const sealed = mesh.announce({ jobs: [{ steps }] })
  await mesh.settle(mesh.member(0).recordRun(sealed))

  await mesh.member(0).publish(sealed)
  await mesh.clock.advance(SOON_MS)

  expect(sealed.bytes.byteLength).toBeGreaterThan(131_072)
  expect(FOUR.map((_, index) => isKnown(mesh, index, sealed))).toEqual(FOUR.map(() => true))
})

test('forged bytes are rejected; a stranger’s or an expired announcement is ignored', async () => {
  const mesh = await MemoryMembers.open({ roles: FOUR })
  const sealed = mesh.announce()
  const forged = sealed.bytes.slice()
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
  const byAgent = mesh.announce({ by: 1, commit: 'beef' })
  const wallMs = mesh.clock.wallMs() - 3 * 86_400_000
  const jobs = [{}]
  const old = sealRun(mesh.key(0), { jobs, commit: 'dead', gwSeq: 9, wallMs })
  const encode = (bytes: Uint8Array) =>
    encodeJobsMessage({ kind: 'announcement', bytes, repeat: 0 })

  expect(await say(mesh, 0, Uint8Array.of(1, 2, 3))).toEqual(['reject'])
  expect(await say(mesh, 0, encode(forged))).toEqual(['reject'])
  expect(await say(mesh, 1, announcementOf(byAgent))).toEqual(['ignore'])
  expect(await say(mesh, 0, announcementOf(old))).toEqual(['ignore'])
})

test('a hint of a job brings its new state to every board', async () => {
  const mesh = await MemoryMembers.open({ roles: FOUR })
  const sealed = mesh.announce()
  const jobId = jobIdOf(sealed.announcement.runId, 0)
  await mesh.settle(mesh.member(0).recordRun(sealed))
  await mesh.member(0).publish(sealed)
  await mesh.clock.advance(SOON_MS)
  await mesh.settle(mesh.claim(1, sealed, CLAIM))
  const body = { kind: 'complete', epoch: 1, claimId: CLAIM, outcome: succeeded(1) } as const
  await mesh.settle(mesh.member(1).changeJob(jobId, 'ef'.repeat(16), body))

  await mesh.member(1).hint(jobId)
  await mesh.clock.advance(SOON_MS)

  const phases = mesh.all.map(({ board }) => board.job(jobId)?.state?.phase)
  expect(phases).toEqual(FOUR.map(() => 'succeeded'))
})

test('what is on the board already costs no read, and a flood of hints costs a bounded number', async () => {
  const mesh = await MemoryMembers.open({ roles: FOUR })
  const sealed = mesh.announce()
  await mesh.settle(mesh.member(0).recordRun(sealed))
  await mesh.clock.advance(2_000)
  const reads = () =>
    mesh.network.passed.filter(({ from, protocol, body }) => {
      if (from !== mesh.member(3).peerId || protocol !== PROTOCOLS.register) return false
      return decodeRegisterRequest(body).kind === 'read'
    }).length
  const before = reads()
  const { runId } = sealed.announcement
  const hint = (register: string) => {
    return encodeJobsMessage({
      kind: 'hint',
      hint: { register, witnessEpoch: 1, version: 1 },
      repeat: 0
    })
  }

  await mesh.member(1).node.publish(TOPICS.jobs, hint(runId))
  await mesh.clock.advance(SOON_MS)
  expect(reads()).toBe(before)

  const wanted = 2 * HINTS_BURST
  for (let index = 0; index < wanted; index += 1) {
    const made = runId.slice(0, 20) + index.toString().padStart(6, '0')
    await mesh.member(1).node.publish(TOPICS.jobs, hint(made))
  }
  await mesh.clock.advance(SOON_MS)
  expect(reads() - before).toBeLessThanOrEqual(3 * (HINTS_BURST + 10))
  expect(mesh.network.verdicts.filter((verdict) => verdict === 'ignore').length).toBeGreaterThan(
    400
  )
})

test('a lease that ran out is told, so that agents look at the job again', async () => {
  const mesh = await MemoryMembers.open({ roles: FOUR })
  const sealed = mesh.announce()
  const jobId = jobIdOf(sealed.announcement.runId, 0)
  await mesh.settle(mesh.member(0).recordRun(sealed))
  await mesh.settle(mesh.claim(1, sealed, CLAIM))
  await mesh.clock.advance(1_500)
  const heardAtMs: number[] = []
  mesh.member(3).on((event) => {
    if (event.kind === 'job' && event.jobId === jobId) heardAtMs.push(mesh.clock.bootMs())
  })
  const startMs = mesh.clock.bootMs()

  await mesh.clock.advance(3_000)

  expect(heardAtMs.length).toBeGreaterThan(0)
  expect((heardAtMs[0] ?? 0) - startMs).toBeGreaterThan(1_500)
  expect((heardAtMs[0] ?? 0) - startMs).toBeLessThan(2_800)
})
