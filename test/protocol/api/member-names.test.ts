import { expect, test } from 'vitest'
import { memberName, peerIdOf } from '../../../protocol/api/member-names.ts'
import { ROSTER } from '../../support/control-parts.ts'

test('a name leads to its peer id, and that back to the name', () => {
  for (const { name, peerId } of ROSTER.roster.members) {
    expect(memberName(peerId, ROSTER)).toBe(name)
    expect(peerIdOf(name, ROSTER)).toBe(peerId)
  }
})

test('who is in no roster stays what was said', () => {
  expect(memberName('peer-gone', ROSTER)).toBe('peer-gone')
  expect(peerIdOf('peer-onyx', ROSTER)).toBe('peer-onyx')
  expect(memberName('peer-onyx', undefined)).toBe('peer-onyx')
  expect(peerIdOf('onyx', undefined)).toBe('onyx')
})
