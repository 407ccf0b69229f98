import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { whileLocked } from '../../../agent/admission.ts'
import { foundMesh } from '../../../agent/enrolment.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import { ADMIT_WAIT_MS_MAX } from '../../../protocol/core/limits.ts'
import { type StatePaths, statePaths } from '../../../protocol/host/paths.ts'
import { openStateStore } from '../../../protocol/mesh/members/identity.ts'
import { RosterBook } from '../../../protocol/mesh/members/roster-book.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import { eventually } from '../../support/eventually.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { ProgramProcess } from '../../support/program-process.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

const clock = new FakeClock()

async function authorityState() {
  const paths = statePaths('agent', { state: join(await temporaryFolder(), 'agent') }, {})
  const first = { name: 'onyx', addresses: [], zone: 'onyx', lease: 'default' } as const
  const made = await foundMesh(paths, first, clock)
  return { paths, ...made }
}

function admitted(paths: StatePaths, name: string): ProgramProcess {
  const id = `${generateKey().peerId}/${Buffer.from(name.padEnd(16, '-')).toString('hex')}`
  const whom = ['--name', name, '--role', 'agent', '--address', '/ip4/10.0.0.8/tcp/4471']
  return new ProgramProcess('agent', ['admit', id, ...whom, '--json', '--state', paths.state])
}

test('two processes that admit at once without a daemon both have their member in', async () => {
  const { paths, authority } = await authorityState()
  const names = ['basalt', 'gneiss']

  const ended = await Promise.all(names.map((name) => admitted(paths, name).exited))

  expect(ended.map(({ code, stderr }) => [code, stderr])).toEqual(names.map(() => [0, '']))
  const versions = ended.map(({ stdout }) => JSON.parse(stdout).rosterVersion as number)
  expect(versions.toSorted((a, b) => a - b)).toEqual([2, 3])
  const book = await RosterBook.open(paths.rosters, authority, clock)
  const members = book.current()?.roster.members.map(({ name }) => name)
  expect(new Set(members)).toEqual(new Set(['onyx', ...names]))
  expect(book.current()?.roster.version).toBe(3)
})

test('an admission waits for the process that has the state, which may know a newer roster', async () => {
  const { paths, peerId } = await authorityState()
  const store = await openStateStore(paths, peerId, { create: false, openedBy: 'agent' })
  const running = admitted(paths, 'basalt')
  let isOver = false
  void running.exited.then(() => {
    isOver = true
  })
  // Each try moves LevelDB's log aside before the lock refuses it.
  const logAt = async () => (await stat(join(paths.store, 'LOG'))).ino
  for (let tries = 0, seen = await logAt(); tries < 2; tries += 1) {
    seen = await eventually(
      'a try for the state',
      async () => {
        const now = await logAt().catch(() => seen)
        return now === seen ? undefined : now
      },
      60_000
    )
  }
  expect(isOver).toBe(false)
  expect(await readdir(paths.rosters)).toEqual(['1.roster'])

  await store.close()

  expect(await running.exited).toMatchObject({ code: 0, stderr: '' })
})

test('a wait for the state has an end, and then says who has it', async () => {
  let tries = 0
  const locked = () => {
    tries += 1
    return Promise.reject(new MeshError('STATE_LOCKED', { state: '/state', pid: 7 }))
  }
  const startedAtMs = clock.bootMs()

  const waiting = clock.settle(whileLocked(clock, locked), 10 * ADMIT_WAIT_MS_MAX)

  await expect(waiting).rejects.toMatchObject({ code: 'STATE_LOCKED', facts: { pid: 7 } })
  expect(tries).toBeGreaterThan(10)
  expect(clock.bootMs() - startedAtMs).toBeLessThan(ADMIT_WAIT_MS_MAX + 1_000)
})

test('any other failure ends the wait at once', async () => {
  const failing = () => Promise.reject(new MeshError('AUTHORITY_ABSENT', { state: '/state' }))

  await expect(whileLocked(clock, failing)).rejects.toMatchObject({ code: 'AUTHORITY_ABSENT' })
})
