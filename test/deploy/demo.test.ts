import { once } from 'node:events'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { demoFolder } from '../../deploy/demo/folder.ts'
import { freePorts } from '../../deploy/demo/ports.ts'
import { temporaryFolder } from '../support/store-folder.ts'

/** No process has it: it is above every limit of the kernel. */
const PID_OF_NOBODY = 4_194_305

/** What a demo of that process has left. */
async function left(checkout: string, number: number, pid: number): Promise<void> {
  const folder = join(checkout, '.demo', String(number))
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'pid'), `${pid}\n`)
  await writeFile(join(folder, 'state'), 'of an earlier demo')
}

test('a demo takes the folder of one that is over, and nothing of it stays', async () => {
  const checkout = await temporaryFolder()
  await left(checkout, 1, PID_OF_NOBODY)

  const folder = await demoFolder(checkout)

  expect(folder).toBe(join(checkout, '.demo', '1'))
  expect(await readdir(folder)).toEqual(['pid'])
})

test('a demo beside a running one has a folder of its own, and leaves that one alone', async () => {
  const checkout = await temporaryFolder()
  await left(checkout, 1, process.pid)

  expect(await demoFolder(checkout)).toBe(join(checkout, '.demo', '2'))

  expect(await readdir(join(checkout, '.demo', '1'))).toEqual(['pid', 'state'])
})

test('ports that are taken are stepped over, and no two parts get the same', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const taken = (server.address() as { readonly port: number }).port

  const [first = 0, second = 0] = await freePorts([taken, taken])

  expect(first).toBeGreaterThan(taken)
  expect(second).toBeGreaterThan(first)
})
