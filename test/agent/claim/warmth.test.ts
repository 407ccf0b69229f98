import { expect, test } from 'vitest'
import { Warmth } from '../../../agent/claim/warmth.ts'
import { warmKeysOf } from '../../../protocol/core/warmth.ts'
import { plainDigest } from '../../support/plain-digest.ts'

const keysOf = (image: string) => warmKeysOf({ image }, 'team/kernel', plainDigest())

test('a host that has just started says which images it has, and what it ran since before them', () => {
  const warmth = new Warmth(plainDigest(), ['a:1', 'b:1'])
  const before = ['a:1', 'b:1'].flatMap((name) => keysOf(name).images)
  expect(warmth.keys).toEqual(before)

  warmth.ran({ image: 'c:1' }, 'team/kernel')
  const { repository, images } = keysOf('c:1')
  expect(warmth.keys).toEqual([repository, ...images, ...before])
})
