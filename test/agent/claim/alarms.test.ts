import { expect, test } from 'vitest'
import { Alarms } from '../../../agent/claim/alarms.ts'
import { FakeClock } from '../../support/fake-clock.ts'

test('turns come at their time, and none that was called off', async () => {
  const clock = new FakeClock()
  const alarms = new Alarms(clock)
  const came: string[] = []
  for (const [at, jobId] of ['a', 'b', 'c'].entries()) {
    alarms.set(jobId, 100 * (at + 1), () => came.push(jobId))
  }
  expect(alarms.jobIds()).toEqual(['a', 'b', 'c'])
  await clock.advance(100)
  expect([came, alarms.has('a'), alarms.size]).toEqual([['a'], false, 2])
  alarms.keep((jobId) => jobId === 'c')
  await clock.advance(300)
  expect([came, alarms.size]).toEqual([['a', 'c'], 0])
})
