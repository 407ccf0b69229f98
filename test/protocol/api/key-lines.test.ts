import { expect, test } from 'vitest'
import { keyLines } from '../../../protocol/api/key-lines.ts'

test('a member whose key two processes use is named, with the way out', () => {
  const [line, ...more] = keyLines(['slate'])

  expect(more).toEqual([])
  expect(line).toMatchObject({ code: 'KEY_SHARED', message: expect.stringContaining('slate') })
  expect(line?.fix).toContain('join')
})
