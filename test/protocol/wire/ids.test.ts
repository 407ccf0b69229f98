import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isJobId, isPeerId, isRunId, PROTOCOLS, TOPICS } from '../../../protocol/wire/ids.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import { jobIds, runIds } from './draws.ts'

test('protocols and topics have their published names', () => {
  expect(Object.values(PROTOCOLS)).toEqual([
    '/runner-mesh/register/3',
    '/runner-mesh/roster/1',
    '/runner-mesh/join/1',
    '/runner-mesh/log/1',
    '/runner-mesh/query/1',
    '/runner-mesh/secrets/1',
    '/runner-mesh/orders/1'
  ])
  expect(Object.values(TOPICS)).toEqual([
    'runner-mesh/jobs/2',
    'runner-mesh/agents/1',
    'runner-mesh/roster/1'
  ])
})

test('a run id is no job id and the reverse', () => {
  fc.assert(
    fc.property(runIds, jobIds, (run, job) => {
      expect([isRunId(run), isJobId(run), isRunId(job), isJobId(job)]).toEqual([
        true,
        false,
        false,
        true
      ])
    })
  )
})

test('an id has one spelling', () => {
  const run = '7K3QF2ABCDEFGHJKMNPQRSTVWX'
  const spellings = [run.toLowerCase(), `${run} `, `${run}\n`, run.replace('7', 'I'), `${run}0`]
  for (const spelling of spellings) expect(isRunId(spelling), spelling).toBe(false)
  for (const index of ['', '00', '01', '-1', '1e1', '1000', '0.0', '0\n']) {
    expect(isJobId(`${run}.${index}`), index).toBe(false)
  }
})

test('a peer id is that of an Ed25519 key', () => {
  for (let times = 0; times < 20; times += 1) expect(isPeerId(generateKey().peerId)).toBe(true)
  const rsa = 'QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR'
  const others = ['', rsa, `${generateKey().peerId}x`, ` ${generateKey().peerId}`]
  for (const text of others) expect(isPeerId(text), text).toBe(false)
})
