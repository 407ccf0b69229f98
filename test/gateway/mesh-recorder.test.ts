import { expect, test } from 'vitest'
import { MeshRecorder } from '../../gateway/mesh-recorder.ts'
import { codeOf } from '../../protocol/core/errors.ts'
import { INTAKE_RECORD_MS_MAX } from '../../protocol/core/limits.ts'
import type { SealedAnnouncement } from '../../protocol/core/run.ts'
import type { RecordOptions, RecordWait } from '../../protocol/mesh/board/run-recorder.ts'
import { generateKey } from '../../protocol/wire/keys.ts'
import { ROSTER } from '../support/control-parts.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { PIPELINE } from '../support/gateway-rig.ts'
import { sealedRun } from '../support/run-life.ts'

const sealed = sealedRun(generateKey(), { commit: 'a'.repeat(40), pipeline: PIPELINE })

/** A member that tries without end, as the real one does, until its signal says stop. */
function recorderOf(
  clock: FakeClock,
  chosen?: SealedAnnouncement,
  told: readonly (RecordWait | undefined)[] = []
) {
  const recordRun = (_sealed: SealedAnnouncement, { signal, onWaiting }: RecordOptions = {}) => {
    for (const wait of told) onWaiting?.(wait)
    return chosen !== undefined
      ? Promise.resolve(chosen)
      : new Promise<SealedAnnouncement>((_resolve, reject) => {
          if (signal?.aborted === true) reject(signal.reason)
          signal?.addEventListener('abort', () => reject(signal.reason))
        })
  }
  const health = () => ({ witnesses: [], w: 3, quorum: 2, reachable: 1, hasQuorum: false })
  const seen = { witnessEpoch: 2, witnesses: 5, reachable: 2, quorum: 3, away: [], stuck: 0 }
  const epochs = () => [{ ...seen, hasQuorum: false, isSealed: true, moving: 0 }]
  const member = {
    roster: () => ROSTER,
    health,
    epochs,
    recordRun,
    publish: () => Promise.resolve()
  }
  return new MeshRecorder({ member, clock })
}

test('a chosen run is given back, and no timer stays', async () => {
  const clock = new FakeClock()

  const chosen = await recorderOf(clock, sealed).recordRun(sealed, new AbortController().signal)

  expect(chosen).toBe(sealed)
  expect(clock.armed()).toBe(0)
})

test('a run whose witnesses are away gives its place back after a while', async () => {
  const clock = new FakeClock()
  const recording = recorderOf(clock).recordRun(sealed, new AbortController().signal)

  const code = await clock.settle(recording.catch(codeOf), INTAKE_RECORD_MS_MAX)

  expect(code).toBe('QUORUM_UNREACHABLE')
})

test('a run that waits for an earlier witness epoch says which, and who answers there', async () => {
  const clock = new FakeClock()
  const tried = async (...told: readonly (RecordWait | undefined)[]) => {
    const recording = recorderOf(clock, undefined, told)
      .recordRun(sealed, new AbortController().signal)
      .catch((error: unknown) => error)
    return await clock.settle(recording, INTAKE_RECORD_MS_MAX)
  }

  const second = { kind: 'epoch', witnessEpoch: 2 } as const
  expect(await tried(second)).toMatchObject({
    code: 'EPOCH_UNREACHABLE',
    facts: { epoch: 2, answered: 2, witnesses: 5, quorum: 3 }
  })
  expect((await tried(second)) as Error).toHaveProperty(
    'message',
    expect.stringContaining('2 of its 5 witnesses can be reached, 3 of a run are needed')
  )
  // Its roster has not come yet.
  expect(await tried({ kind: 'epoch', witnessEpoch: 1 })).toMatchObject({
    code: 'EPOCH_UNREACHABLE',
    facts: { epoch: 1 }
  })
  const full = { kind: 'disks', peers: ['peer-onyx', 'peer-basalt'] } as const
  expect(await tried(second, full)).toMatchObject({
    code: 'DISK_LOW',
    message: expect.stringMatching(/^the disk of witness onyx, basalt is nearly full: /)
  })
  expect(await tried(second, undefined)).toMatchObject({ code: 'QUORUM_UNREACHABLE' })
})

test('stopping ends the try with its own reason', async () => {
  const controller = new AbortController()
  const clock = new FakeClock()
  const recording = recorderOf(clock).recordRun(sealed, controller.signal)

  controller.abort(new Error('stopping'))

  await expect(recording).rejects.toThrow('stopping')
  const late = recorderOf(clock).recordRun(sealed, controller.signal)
  await expect(late).rejects.toThrow('stopping')
  expect(clock.armed()).toBe(0)
})

test('the witness epoch is that of the current roster', () => {
  expect(recorderOf(new FakeClock()).witnessEpoch()).toBe(ROSTER.roster.witnessEpoch)
})
