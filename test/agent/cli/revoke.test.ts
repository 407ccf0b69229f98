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
const ADDRESS = ['--address', '/ip4/10.0.0.8/tcp/4471']

function run(paths: StatePaths, ...args: readonly string[]) {
  return new ProgramProcess('agent', [...args, '--state', paths.state]).exited
}

/** The authority's host, two witnesses more and a gateway: witness epoch 3. */
async function fourMembers() {
  const paths = statePaths('agent', { state: join(await temporaryFolder(), 'agent') }, {})
  const first = { name: 'onyx', addresses: [], zone: 'onyx', lease: 'default' } as const
  const { authority } = await foundMesh(paths, first, clock)
  const ids = new Map<string, string>()
  for (const name of ['basalt', 'gneiss', 'quartz']) {
    const id = `${generateKey().peerId}/${Buffer.from(name.padEnd(16, '-')).toString('hex')}`
    ids.set(name, id)
    const as = name === 'quartz' ? ['--role', 'gateway'] : ['--role', 'agent', '--witness']
    expect(await run(paths, 'admit', id, '--name', name, ...as, ...ADDRESS)).toMatchObject({
      code: 0
    })
  }
  const idOf = (name: string) => ids.get(name) ?? ''
  const peerOf = (name: string) => idOf(name).split('/')[0] ?? ''
  const roster = async () => {
    return (await RosterBook.open(paths.rosters, authority, clock)).current()?.roster
  }
  return { paths, roster, idOf, peerOf }
}

test('a member that is revoked is in no roster any more, and never admitted again', async () => {
  const { paths, roster, idOf, peerOf } = await fourMembers()

  const done = await run(paths, 'revoke', 'gneiss')

  expect(done.code).toBe(0)
  expect(done.stdout).toBe(
    `gneiss (${peerOf('gneiss')}) is revoked: roster 5 is signed and goes out when this agent starts\n` +
      'witness epoch 4, witnesses: onyx, basalt\n'
  )
  expect(done.stderr).toContain('`gateway secret set NAME --repo R`')
  expect(done.stderr).not.toContain('tokens of forges')
  const after = await roster()
  expect(after?.members.map(({ name }) => name)).toEqual(['onyx', 'basalt', 'quartz'])
  expect(after).toMatchObject({ version: 5, witnessEpoch: 4, revoked: [peerOf('gneiss')] })

  const as = ['--name', 'other', '--role', 'agent', ...ADDRESS]
  const again = await run(paths, 'admit', idOf('gneiss'), ...as)
  expect(again).toMatchObject({ code: 1, stdout: '' })
  expect(again.stderr).toContain(`${peerOf('gneiss')} was revoked`)
  expect(again.stderr).toContain('empty the state folder')
  const twice = await run(paths, 'revoke', peerOf('gneiss'))
  expect(twice).toMatchObject({ code: 1, stdout: '' })
  expect(await roster()).toMatchObject({ version: 5 })
})

test('a gateway is revoked by its peer id, as one document', async () => {
  const { paths, roster, peerOf } = await fourMembers()

  const done = await run(paths, 'revoke', peerOf('quartz'), '--json')

  expect(JSON.parse(done.stdout)).toEqual({
    schema: 'agent.revoked/1',
    revoked: [{ name: 'quartz', peerId: peerOf('quartz'), roles: ['gateway'] }],
    rosterVersion: 5,
    witnessEpoch: 3,
    witnesses: ['onyx', 'basalt', 'gneiss'],
    pushed: false
  })
  expect(await roster()).toMatchObject({ revoked: [peerOf('quartz')] })
})

test('nobody, oneself and a majority of the witnesses are not revoked', async () => {
  const { paths, roster } = await fourMembers()

  const nobody = await run(paths, 'revoke', 'nobody')
  expect(nobody).toMatchObject({ code: 4, stdout: '' })
  expect(nobody.stderr).toContain('no member is called nobody')
  const self = await run(paths, 'revoke', 'onyx')
  expect(self).toMatchObject({ code: 1, stdout: '' })
  expect(self.stderr).toContain('onyx is this host itself')
  const two = await run(paths, 'revoke', 'basalt', 'gneiss')
  expect(two).toMatchObject({ code: 1, stdout: '' })
  expect(two.stderr).toContain('agent reseal --epoch 3 --without basalt --without gneiss')
  expect(await roster()).toMatchObject({ version: 4, revoked: [] })
})
