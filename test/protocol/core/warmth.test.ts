import { expect, test } from 'vitest'
import { warmedBy, warmImages, warmKeysOf } from '../../../protocol/core/warmth.ts'
import { sampleSpec } from '../../support/arbitrary-board.ts'
import { plainDigest } from '../../support/plain-digest.ts'

const REPOSITORY = 'team/kernel'
const keysOf = (image: string, repository = REPOSITORY) =>
  warmKeysOf(sampleSpec({ image }), repository, plainDigest())

test('a host says what it had at hand last, each once, and the oldest fall out', () => {
  let warm: readonly string[] = []
  for (let job = 0; job < 100; job += 1) warm = warmedBy(warm, keysOf(`i:${job}`))
  expect(warm).toHaveLength(32)
  expect(new Set(warm).size).toBe(32)
  const { images, repository } = keysOf('i:99')
  expect(warm.slice(0, 2)).toEqual([repository, ...images])
})

test('an image and a repository of one name are two things', () => {
  const { images, repository } = keysOf(REPOSITORY)
  expect(images).not.toContain(repository)
})

test('images that are here from before are as warm as those of a job, the latest first', () => {
  const names = Array.from({ length: 40 }, (_, index) => `i:${index}`)
  const warm = warmImages([...names, 'i:0'], plainDigest())
  expect(warm).toHaveLength(32)
  expect(warm.slice(0, 2)).toEqual(['i:0', 'i:1'].flatMap((name) => keysOf(name).images))
  expect(warmImages([], plainDigest())).toEqual([])
})
