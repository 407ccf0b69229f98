import { chmod, chown, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { ADMIT_WAIT_MS_MAX } from '../../../../protocol/core/limits.ts'
import { type StatePaths, statePaths } from '../../../../protocol/host/paths.ts'
import {
  makeIdentity,
  openDaemonStore,
  openStateStore,
  readAuthority
} from '../../../../protocol/mesh/members/identity.ts'
import { generateKey } from '../../../../protocol/wire/keys.ts'
import { eventually } from '../../../support/eventually.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { temporaryFolder } from '../../../support/store-folder.ts'

const first = generateKey().peerId
const second = generateKey().peerId
let paths: StatePaths

beforeEach(async () => {
  paths = statePaths('agent', { state: join(await temporaryFolder(), 'agent') }, {})
})

describe('the identity of a member', () => {
  test('is made once, with its authority pinned', async () => {
    const made = await makeIdentity('agent', paths, first)

    expect(await makeIdentity('agent', paths, first)).toEqual(made)
    expect(await readAuthority(paths)).toBe(first)
  })

  test('is finished by the next call where the first one ended before the pin', async () => {
    const made = await makeIdentity('agent', paths, first)
    await rm(paths.authority)
    await expect(readAuthority(paths)).rejects.toMatchObject({ code: 'STATE_ABSENT' })

    expect(await makeIdentity('agent', paths, first)).toEqual(made)
    expect(await readAuthority(paths)).toBe(first)
  })
})

describe('a pinned authority is never replaced', () => {
  beforeEach(async () => {
    await makeIdentity('agent', paths, first)
  })

  test('by another one', async () => {
    await expect(makeIdentity('agent', paths, second)).rejects.toMatchObject({
      code: 'STATE_BOUND'
    })
    expect(await readAuthority(paths)).toBe(first)
  })

  test.each([
    ['nothing', ''],
    ['a part of it', first.slice(0, -1)],
    ['what a lost sync leaves', '\0'.repeat(53)]
  ])('when its file holds %s', async (_name, text) => {
    await writeFile(paths.authority, text)

    for (const authority of [first, second]) {
      const again = makeIdentity('agent', paths, authority)
      await expect(again).rejects.toMatchObject({ code: 'AUTHORITY_INVALID' })
      await expect(again).rejects.toThrow(paths.authority)
    }
    expect(await readFile(paths.authority, 'utf8')).toBe(text)
  })

  test('when its file cannot be read', async () => {
    await asOwnerWithoutRights(async () => {
      for (const authority of [first, second]) {
        await expect(makeIdentity('agent', paths, authority)).rejects.toMatchObject({
          code: 'STATE_UNWRITABLE'
        })
      }
    })
    await chmod(paths.authority, 0o600)
    expect(await readAuthority(paths)).toBe(first)
  })
})

/** Root may read everything: it becomes another user, who owns the folder. */
async function asOwnerWithoutRights(task: () => Promise<void>): Promise<void> {
  const nobody = 65_534
  const isRoot = process.getuid?.() === 0
  await chmod(paths.authority, 0)
  if (isRoot) {
    await chmod(dirname(paths.state), 0o755)
    const names = await readdir(paths.state, { recursive: true })
    for (const name of ['.', ...names]) await chown(join(paths.state, name), nobody, nobody)
    process.seteuid?.(nobody)
  }
  try {
    await task()
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
}

describe('a state that a command has open', () => {
  const options = { create: false, openedBy: 'agent' }
  let clock: FakeClock
  let held: Awaited<ReturnType<typeof openStateStore>>
  let peerId: string
  const daemon = () => openDaemonStore(paths, peerId, options, clock)
  const waits = () => eventually('the daemon waits', () => clock.armed() === 1)

  beforeEach(async () => {
    peerId = (await makeIdentity('agent', paths, first)).peerId
    held = await openStateStore(paths, peerId, options)
    clock = new FakeClock()
  })

  test('is waited for by a daemon that starts', async () => {
    const opening = daemon()
    await waits()
    await held.close()
    await clock.advance(1_000)

    await (await opening).close()
  })

  test('that has it for too long keeps the daemon from starting', async () => {
    const opening = daemon().catch((error: unknown) => error)
    await waits()
    await clock.advance(ADMIT_WAIT_MS_MAX)

    expect(await opening).toMatchObject({ code: 'STATE_LOCKED', facts: { pid: 'unknown' } })
    await held.close()
  })

  test('is not waited for where a daemon has it: its process says so', async () => {
    await writeFile(paths.pid, `${process.ppid}\n`)
    await expect(daemon()).rejects.toMatchObject({ facts: { pid: process.ppid } })
    expect(clock.armed()).toBe(0)
    await held.close()
  })

  test.each([4_194_305, process.pid])('is free again when process %d is dead', async (dead) => {
    // No process has the first: it is above the highest that a kernel gives. The other is ours.
    await writeFile(paths.pid, `${dead}\n`)
    const opening = daemon()
    await waits()
    await held.close()
    await clock.advance(1_000)

    await (await opening).close()
  })
})
