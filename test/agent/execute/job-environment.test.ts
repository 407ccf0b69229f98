import { expect, test } from 'vitest'
import { withNetwork } from '../../../agent/execute/job-environment.ts'

test('variables of the network are there beside those of the job, which stay as they are', () => {
  const network = ['HTTP_PROXY=http://10.213.0.1:4480', 'http_proxy=http://10.213.0.1:4480']
  expect(withNetwork(['CI=true', 'http_proxy=http://mine:1'], network)).toEqual([
    'HTTP_PROXY=http://10.213.0.1:4480',
    'CI=true',
    'http_proxy=http://mine:1'
  ])
  expect(withNetwork(['CI=true'])).toEqual(['CI=true'])
})
