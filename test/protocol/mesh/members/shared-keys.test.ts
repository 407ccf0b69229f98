import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { RegisterRequest } from '../../../../protocol/core/messages.ts'
import {
  KEY_SHARED_SHOWN_MS,
  LATE_REQUEST_MS_MAX
} from '../../../../protocol/core/sighting-limits.ts'
import { silentLog } from '../../../../protocol/host/log.ts'
import { SharedKeys } from '../../../../protocol/mesh/members/shared-keys.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { openMesh } from '../../../support/open-mesh.ts'
import { acceptOf, prepareOf, runValue, scopeOf } from '../../../support/witness-asks.ts'

async function world() {
  const mesh = await openMesh()
  const clock = new FakeClock()
  const keys = new SharedKeys({ clock, log: silentLog() })
  const peer = mesh.peer(0)
  const sealed = mesh.announce()
  const scope = scopeOf(peer, sealed)
  const asks = (boot: string) => {
    const request = prepareOf(peer, scope)
    if (request.kind !== 'prepare') throw new Error('not a prepare')
    keys.hear('onyx', { ...request, ballot: { ...request.ballot, boot } })
    return keys.has('onyx')
  }
  const accept: RegisterRequest = acceptOf(peer, scope, runValue(peer, sealed))
  return { clock, keys, asks, accept }
}

test('two processes that go on asking with one key are told of, until one is silent', async () => {
  const { clock, keys, asks } = await world()
  expect(asks('a')).toBe(false)
  await clock.advance(1_000)
  expect(asks('b')).toBe(false)
  await clock.advance(LATE_REQUEST_MS_MAX)

  expect([asks('b'), asks('a'), asks('b')]).toEqual([false, true, true])
  expect(keys.has('slate')).toBe(false)

  await clock.advance(KEY_SHARED_SHOWN_MS)
  expect(asks('b')).toBe(false)
})

test('a late request of a process that has ended is no second process, nor is its accept', async () => {
  const { clock, keys, asks, accept } = await world()
  asks('a')
  await clock.advance(60_000)
  asks('b')
  await clock.advance(LATE_REQUEST_MS_MAX - 1)
  expect([asks('a'), asks('b')]).toEqual([false, false])
  await clock.advance(60_000)

  keys.hear('onyx', accept)

  expect([keys.has('onyx'), asks('b'), asks('c')]).toEqual([false, false, false])
})

test('a member that restarts any number of times shares its key with nobody', async () => {
  const { clock, asks } = await world()
  const lives = fc.array(
    fc.record({ asked: fc.integer({ min: 1, max: 3 }), gapMs: fc.nat(90_000) })
  )
  let processes = 0
  await fc.assert(
    fc.asyncProperty(lives, async (life) => {
      for (const { asked, gapMs } of life) {
        processes += 1
        for (let count = 0; count < asked; count += 1) {
          await clock.advance(gapMs)
          expect(asks(`boot ${processes}`)).toBe(false)
        }
      }
    })
  )
})
