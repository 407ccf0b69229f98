import { expect, test } from 'vitest'
import { type HostProblemsParts, hostProblems } from '../../agent/agent-parts.ts'
import type { HostProblem } from '../../agent/probe/host-profile.ts'
import { ROSTER } from '../support/control-parts.ts'

function codesOf(
  isSlow: boolean,
  roles: readonly ('agent' | 'witness')[],
  lost?: string,
  unnamed?: string,
  gpus: readonly HostProblem[] = []
) {
  const members = ROSTER.roster.members.map((member) => ({ ...member, roles }))
  const roster = { ...ROSTER, roster: { ...ROSTER.roster, members } }
  const parts = {
    host: { problems: [] },
    key: { peerId: 'peer-onyx' },
    disk: { problem: undefined },
    networks: { lost, unnamed },
    gpus: { problems: () => gpus },
    book: { current: () => roster },
    store: { syncs: () => ({ p99Ms: 1_480, syncs: 300, isSlow }) }
  }
  return hostProblems(parts as unknown as HostProblemsParts)
}

test('a witness with slow syncs says so with its figures and the way out', () => {
  const [line, ...others] = codesOf(true, ['agent', 'witness'])
  expect(others).toEqual([])
  expect(line).toMatchObject({ code: 'WITNESS_SLOW' })
  expect(line?.message).toContain('300 syncs one in 100 took 1480 ms or more, over 1000 ms')
  expect(line?.fix).toContain('`agent unseat onyx`')
})

test('an agent that is no witness, or whose disk is quick, says nothing', () => {
  expect(codesOf(true, ['agent'])).toEqual([])
  expect(codesOf(false, ['agent', 'witness'])).toEqual([])
})

test('a host whose rules for job networks are lost says so for as long as they are', () => {
  const [line, ...others] = codesOf(false, ['agent'], 'Operation not permitted')
  expect(others).toEqual([])
  expect(line).toMatchObject({
    code: 'HOST_NETWORK',
    message: 'network: no job gets a network here: Operation not permitted'
  })
})

test('a host whose jobs reach no host by its name says so, unless there is no network at all', () => {
  expect(codesOf(false, ['agent'], undefined, 'EADDRINUSE')).toMatchObject([
    {
      code: 'HOST_NETWORK',
      message: 'network: no job reaches hosts by their names here: EADDRINUSE',
      fix: 'leave TCP port 4480 free for the proxies of jobs'
    }
  ])
  expect(codesOf(false, ['agent'], 'lost', 'EADDRINUSE')).toHaveLength(1)
})

test('a GPU that takes no job says so beside the others of the host', () => {
  const ill = { part: 'gpu', blocking: false, found: 'H100 takes no job: Xid 79', fix: 'mend it' }
  expect(codesOf(false, ['agent'], undefined, undefined, [ill])).toEqual([
    { code: 'HOST_GPU', message: 'gpu: H100 takes no job: Xid 79', fix: 'mend it' }
  ])
})
