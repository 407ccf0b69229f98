import { expect, test } from 'vitest'
import { withDefaults } from '../../../agent/execute/job-environment.ts'

test('what a profile sets is there unless the job says otherwise', () => {
  const defaults = ['HOME=/home/job', 'TMPDIR=/tmp']

  expect(withDefaults([], defaults)).toEqual(defaults)
  expect(withDefaults(['A=1', 'TMPDIR='], defaults)).toEqual(['A=1', 'TMPDIR=', 'HOME=/home/job'])
})

test('a longer name is another name', () => {
  expect(withDefaults(['HOMES=x', 'HO=y'], ['HOME=/'])).toEqual(['HOMES=x', 'HO=y', 'HOME=/'])
})
