import { chmod, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { JoinAttempt, NewInvite } from '../../../../protocol/core/invite.ts'
import { INVITE_MS_MAX, INVITES_OPEN_MAX } from '../../../../protocol/core/join-limits.ts'
import { InviteBook } from '../../../../protocol/mesh/joining/invite-book.ts'
import { generateKey } from '../../../../protocol/wire/keys.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { temporaryFolder } from '../../../support/gateway-rig.ts'

const [BASALT, SLATE] = [generateKey().peerId, generateKey().peerId]
const HOUR_MS = 3_600_000

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let file: string
let clock: FakeClock
let book: InviteBook

beforeEach(async () => {
  folder = await temporaryFolder()
  file = join(folder.dir, 'state', 'invites')
  await mkdir(join(folder.dir, 'state'))
  clock = new FakeClock()
  book = await InviteBook.open(file, clock)
})

afterEach(() => folder.remove())

const idOf = (index: number): string => index.toString(16).padStart(16, '0')
const secretOf = (index: number): string => index.toString(16).padStart(32, 'a')

const wanted = (index: number, forMs = HOUR_MS): NewInvite => ({
  id: idOf(index),
  secret: secretOf(index),
  roles: ['agent'],
  isWitness: true,
  expiresMs: clock.wallMs() + forMs
})

const attempt = (index: number, peerId: string): JoinAttempt => ({
  id: idOf(index),
  peerId,
  joiner: 'agent',
  isProven: true,
  isMember: false
})

describe('an invite', () => {
  test('is in a file of mode 0600 before anybody has its string', async () => {
    await book.add(wanted(1))

    expect((await stat(file)).mode & 0o777).toBe(0o600)
    const again = await InviteBook.open(file, clock)
    expect([again.isOpen('stranger'), again.find(idOf(1))?.secret]).toEqual([true, secretOf(1)])
  })

  test('is burned in the file before its answer, without its secret, and stays so', async () => {
    await book.add(wanted(1))

    expect(await book.take(attempt(1, BASALT))).toMatchObject({ kind: 'admit' })

    expect((await readFile(file)).toString('hex')).not.toContain(secretOf(1))
    const again = await InviteBook.open(file, clock)
    expect(again.isOpen('stranger')).toBe(false)
    expect(await again.take(attempt(1, SLATE))).toEqual({ kind: 'refused', reason: 'used' })
    expect(await again.take(attempt(1, BASALT))).toMatchObject({ kind: 'admit' })
  })

  test('of two that take it at once goes to one', async () => {
    await book.add(wanted(1))

    const answers = await Promise.all([BASALT, SLATE].map((peer) => book.take(attempt(1, peer))))

    expect(answers.map(({ kind }) => kind)).toEqual(['admit', 'refused'])
  })

  test('is not told to be used where that could not be written', async () => {
    await book.add(wanted(1))
    await rm(join(folder.dir, 'state'), { recursive: true })

    await expect(book.take(attempt(1, BASALT))).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' })

    await mkdir(join(folder.dir, 'state'))
    expect(await book.take(attempt(1, BASALT))).toMatchObject({ kind: 'admit' })
  })
})

test('more open invites, or a longer one, are refused and leave the file as it is', async () => {
  for (let index = 0; index < INVITES_OPEN_MAX; index++) await book.add(wanted(index))
  const before = await readFile(file)

  await expect(book.add(wanted(99))).rejects.toMatchObject({ code: 'OVERLOADED' })
  await expect(book.add(wanted(99, INVITE_MS_MAX + 1))).rejects.toMatchObject({ code: 'USAGE' })

  expect(await readFile(file)).toEqual(before)
})

test('a file that others may read, or that is damaged, is refused with the way out', async () => {
  await book.add(wanted(1))
  await chmod(file, 0o640)
  await expect(InviteBook.open(file, clock)).rejects.toMatchObject({ code: 'KEY_MODE_WIDE' })
  await chmod(file, 0o600)
  await writeFile(file, 'nonsense')

  const damaged = InviteBook.open(file, clock)

  await expect(damaged).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  await expect(damaged).rejects.toThrow(/invites: it is damaged .*: remove it/)
})
