import { expect, onTestFinished, test } from 'vitest'
import { readLoad } from '../../../agent/policy/load-reading.ts'
import { openDoor } from '../../../agent/policy/open-door.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { FakeClock } from '../../support/fake-clock.ts'

function door(reserveBytes: number | undefined) {
  const settings = { pinned: false, untrusted: 'take' } as const
  const opened = openDoor({ clock: new FakeClock(), log: silentLog() }, settings, reserveBytes)
  onTestFinished(() => opened.stop())
  return opened
}

test('this host takes no new job while less memory is free than is to stay for it', () => {
  const { totalBytes } = readLoad()
  expect(door(totalBytes).closing).toMatchObject({ by: 'load' })
  expect(door(totalBytes).closing?.text).toMatch(
    /of memory are free, its owner wants .* to stay so/
  )
  expect(door(1).closing).toBeUndefined()
  expect(door(undefined).closing).toBeUndefined()
})
