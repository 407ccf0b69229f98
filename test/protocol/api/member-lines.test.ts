import { expect, test } from 'vitest'
import { memberLines } from '../../../protocol/api/member-lines.ts'

test('a member whose key two processes use is named, with the way out', () => {
  const seen = { sharedKeys: () => ['slate'], equivocations: () => [] }
  const [line, ...more] = memberLines(seen)

  expect(more).toEqual([])
  expect(line).toMatchObject({ code: 'KEY_SHARED', message: expect.stringContaining('slate') })
  expect(line?.fix).toContain('join')
})

test('a member that signed two things is named, with both and the file that proves it', () => {
  const subject = 'two values of RUN.0 under round 7 of witness epoch 1'
  const file = '/state/proofs/proposals-12D.json'
  const one = { kind: 'proposals', peer: '12D', name: 'chalk', subject, seenAtMs: 0, file } as const
  const [line, ...more] = memberLines({ sharedKeys: () => [], equivocations: () => [one] })

  expect(more).toEqual([])
  expect(line?.code).toBe('EQUIVOCATION')
  for (const fact of ['chalk', subject, file]) expect(line?.message).toContain(fact)
  expect(line?.fix).toContain('agent doctor --proofs')
})
