import { expect, test } from 'vitest'
import { MEMBERS_MAX } from '../../../protocol/core/limits.ts'
import { Sightings } from '../../../protocol/core/sightings.ts'
import { sampleAd } from '../../support/arbitrary-board.ts'

test('an advertisement is news once', () => {
  const sightings = new Sightings()
  expect(sightings.hear(sampleAd({ sequence: 2 }), 0)).toBe(true)
  expect(sightings.hear(sampleAd({ sequence: 2 }), 10)).toBe(false)
  expect(sightings.hear(sampleAd({ sequence: 1, state: 'busy' }), 20)).toBe(false)
  expect(sightings.view('peer-onyx', 20)?.advertisement.state).toBe('idle')
})

test('a repeated advertisement does not make a silent agent look alive', () => {
  const sightings = new Sightings()
  sightings.hear(sampleAd(), 0)
  sightings.hear(sampleAd(), 44_000)
  expect(sightings.view('peer-onyx', 46_000)?.observed).toBe('suspect')
})

test('an agent whose link goes down is suspect at once, and itself again when it is back', () => {
  const sightings = new Sightings()
  sightings.hear(sampleAd(), 0)
  sightings.link('peer-onyx', 'down')
  expect(sightings.view('peer-onyx', 1)?.observed).toBe('suspect')
  sightings.link('peer-onyx', 'up')
  expect(sightings.view('peer-onyx', 1)?.observed).toBe('idle')
})

test('a link that went down before the first advertisement counts', () => {
  const sightings = new Sightings()
  sightings.link('peer-onyx', 'down')
  sightings.hear(sampleAd(), 0)
  expect(sightings.view('peer-onyx', 1)?.observed).toBe('suspect')
})

test('agents are listed by name', () => {
  const sightings = new Sightings()
  for (const [peerId, name] of Object.entries({ p1: 'pumice', p2: 'basalt', p3: 'basalt' })) {
    sightings.hear(sampleAd({ peerId, name }), 0)
  }
  expect(sightings.views(0).map((v) => v.advertisement.peerId)).toEqual(['p2', 'p3', 'p1'])
})

test('a forgotten agent is gone with its link', () => {
  const sightings = new Sightings()
  sightings.hear(sampleAd(), 0)
  sightings.link('peer-onyx', 'down')
  sightings.forget('peer-onyx')
  expect(sightings.view('peer-onyx', 0)).toBeUndefined()
  sightings.hear(sampleAd(), 0)
  expect(sightings.view('peer-onyx', 0)?.observed).toBe('idle')
})

test('of more agents than a mesh has members the longest silent is dropped', () => {
  const sightings = new Sightings()
  for (let index = 0; index < MEMBERS_MAX; index += 1) {
    sightings.hear(sampleAd({ peerId: `p${index}` }), index)
  }
  sightings.hear(sampleAd({ peerId: 'p0', sequence: 2 }), MEMBERS_MAX)
  sightings.hear(sampleAd({ peerId: 'one more' }), MEMBERS_MAX)

  expect(sightings.views(MEMBERS_MAX)).toHaveLength(MEMBERS_MAX)
  expect(sightings.view('p0', 0)).toBeDefined()
  expect(sightings.view('p1', 0)).toBeUndefined()
})
