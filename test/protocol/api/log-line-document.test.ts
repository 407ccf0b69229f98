import { expect, test } from 'vitest'
import { logLineDocument, logLineSchema } from '../../../protocol/api/log-line-document.ts'

test('a line is shown with the time in words, and nothing of it is changed', () => {
  const line = { number: 7, atMs: 1_767_225_600_001, step: 2, stream: 'err', text: '\u001b[31mü' }

  const document = logLineDocument({ ...line, stream: 'err' })

  expect(logLineSchema.parse(document)).toEqual(document)
  expect(document).toEqual({
    number: 7,
    at: '2026-01-01T00:00:00.001Z',
    step: 2,
    stream: 'err',
    text: '\u001b[31mü'
  })
})
