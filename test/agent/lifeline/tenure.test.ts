import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { takeTenure, tenureHolder } from '../../../agent/lifeline/tenure.ts'
import { ownIdentity } from '../../../protocol/host/process-identity.ts'
import { temporaryFolder } from '../../support/gateway-rig.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>

beforeEach(async () => {
  folder = await temporaryFolder()
})

afterEach(async () => {
  await folder.remove()
})

const own = ownIdentity()
/** The number of this process in an earlier life. */
const dead = { ...own, startTicks: own.startTicks - 1 }

test('the second guardian of a folder is told who the first one is', async () => {
  expect(await takeTenure(folder.dir, own)).toEqual({ kind: 'mine' })
  expect(await takeTenure(folder.dir, own)).toEqual({ kind: 'taken', pid: own.pid })
  expect(await tenureHolder(folder.dir)).toEqual(own)
})

test('a dead guardian is succeeded, also where its number is in use again', async () => {
  expect(await takeTenure(folder.dir, dead)).toEqual({ kind: 'mine' })
  expect(await tenureHolder(folder.dir)).toBeUndefined()
  expect(await takeTenure(folder.dir, own)).toEqual({ kind: 'mine' })
  expect(await readdir(folder.dir)).toEqual(['term.2'])
})

test('a record that a crash of the host has cut is succeeded', async () => {
  await writeFile(join(folder.dir, 'term.7'), '{"pid":1')

  expect(await takeTenure(folder.dir, own)).toEqual({ kind: 'mine' })
  expect(await readdir(folder.dir)).toEqual(['term.8'])
})

test('of many that start at once, after a dead one or after none, one wins', async () => {
  for (let round = 0; round < 20; round++) {
    const dir = await temporaryFolder()
    if (round % 2 === 0) await takeTenure(dir.dir, dead)
    const tries = Array.from({ length: 8 }, () => takeTenure(dir.dir, own))
    const mine = (await Promise.all(tries)).filter(({ kind }) => kind === 'mine')

    expect(mine).toHaveLength(1)
    await dir.remove()
  }
})

test('a folder that takes no file says so', async () => {
  const error = { code: 'STATE_UNWRITABLE', facts: { state: '/proc' } }
  await expect(takeTenure('/proc', own)).rejects.toMatchObject(error)
})
