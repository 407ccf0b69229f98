import { join } from 'node:path'
import { expect, test } from 'vitest'
import { foundMesh } from '../../../agent/enrolment.ts'
import { type StatePaths, statePaths } from '../../../protocol/host/paths.ts'
import { RosterBook } from '../../../protocol/mesh/members/roster-book.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { ProgramProcess } from '../../support/program-process.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

const clock = new FakeClock()

function run(paths: StatePaths, ...args: readonly string[]) {
  return new ProgramProcess('agent', [...args, '--state', paths.state]).exited
}

/** The authority's host, a witness, with two witnesses more: witness epoch 3. */
async function threeWitnesses() {
  const paths = statePaths('agent', { state: join(await temporaryFolder(), 'agent') }, {})
  const first = { name: 'onyx', addresses: [], zone: 'onyx', lease: 'default' } as const
  const { authority } = await foundMesh(paths, first, clock)
  for (const name of ['basalt', 'gneiss']) {
    const id = `${generateKey().peerId}/${Buffer.from(name.padEnd(16, '-')).toString('hex')}`
    const whom = ['--name', name, '--role', 'agent', '--address', '/ip4/10.0.0.8/tcp/4471']
    expect(await run(paths, 'admit', id, ...whom, '--witness')).toMatchObject({ code: 0 })
  }
  const roster = async () => {
    return (await RosterBook.open(paths.rosters, authority, clock)).current()?.roster
  }
  return { paths, roster }
}

test('an epoch is given up only by who says that jobs may run twice', async () => {
  const { paths, roster } = await threeWitnesses()
  const lost = ['reseal', '--epoch', '3', '--without', 'basalt', '--without', 'gneiss']

  const asked = await run(paths, ...lost)
  expect(asked).toMatchObject({ code: 2, stdout: '' })
  expect(asked.stderr).toContain('jobs of witness epoch 3 that still run may run a second time')
  expect(await roster()).toMatchObject({ version: 3, witnessEpoch: 3 })

  const given = await run(paths, ...lost, '--yes', '--json')
  expect(JSON.parse(given.stdout)).toEqual({
    schema: 'agent.reseated/1',
    rosterVersion: 4,
    witnessEpoch: 4,
    witnesses: ['onyx'],
    lostEpochs: [3],
    pushed: false
  })
  expect(given.stderr).toContain('may run a second time')
  expect(await roster()).toMatchObject({ version: 4, witnessEpoch: 4, lostEpochs: [3] })
})

test('the present epoch is not given up as long as its witnesses keep their seats', async () => {
  const { paths, roster } = await threeWitnesses()

  const given = await run(paths, 'reseal', '--epoch', '3', '--yes')

  expect(given).toMatchObject({ code: 1, stdout: '' })
  expect(given.stderr).toContain('--without')
  expect(await roster()).toMatchObject({ version: 3 })
})

test('a witness loses its seat and stays a member', async () => {
  const { paths, roster } = await threeWitnesses()
  expect(await run(paths, 'unseat', 'nobody')).toMatchObject({ code: 4 })

  const unseated = await run(paths, 'unseat', 'gneiss')

  expect(unseated).toMatchObject({ code: 0, stderr: '' })
  expect(unseated.stdout).toMatch(/^gneiss keeps no registers any more: roster 4 is signed/)
  const { members = [], witnessEpoch } = (await roster()) ?? {}
  expect(witnessEpoch).toBe(4)
  expect(members.map(({ name, witness }) => [name, witness !== undefined])).toEqual([
    ['onyx', true],
    ['basalt', true],
    ['gneiss', false]
  ])
})
