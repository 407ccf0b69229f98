import { expect, test } from 'vitest'
import { withDefaults } from '../../../agent/execute/job-environment.ts'

test('what a profile and a network set is there unless the job says otherwise', () => {
  const defaults = ['HOME=/home/job', 'HTTP_PROXY=http://10.213.0.1:4480', 'http_proxy=http://x:1']

  expect(withDefaults([], defaults)).toEqual(defaults)
  expect(withDefaults(['CI=true', 'http_proxy=http://mine:1'], defaults)).toEqual([
    'CI=true',
    'http_proxy=http://mine:1',
    'HOME=/home/job',
    'HTTP_PROXY=http://10.213.0.1:4480'
  ])
})

test('a longer name is another name, and a variable may be empty', () => {
  expect(withDefaults(['HOMES=x', 'A='], ['HOME=/', 'A=b'])).toEqual(['HOMES=x', 'A=', 'HOME=/'])
})
