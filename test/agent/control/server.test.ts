import { once } from 'node:events'
import { chmod, readdir, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { ControlClient } from '../../../agent/cli/control-client.ts'
import { ControlServer } from '../../../agent/control/server.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { controlParts } from '../../support/control-parts.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

const serverAt = (socket: string): ControlServer =>
  new ControlServer(controlParts(), { socket, log: silentLog() })

test('only this user may open the socket; it is gone after the stop', async () => {
  const dir = join(await temporaryFolder(), 'run')
  const socket = join(dir, 'agent.sock')
  const server = serverAt(socket)

  await server.start()

  expect((await stat(socket)).mode & 0o777).toBe(0o600)
  expect(await new ControlClient(socket).answers()).toBe(true)
  await server.stop()
  expect(await readdir(dir)).toEqual([])
  expect(await new ControlClient(socket).answers()).toBe(false)
})

test('another user is told whose the agent is, not that it found a bug', async () => {
  const socket = join(await temporaryFolder(), 'agent.sock')
  const server = serverAt(socket)
  await server.start()
  const client = new ControlClient(socket)

  const refused = await asStranger(socket, () => client.answers().catch((error: unknown) => error))
  await server.stop()

  expect(refused).toMatchObject({ code: 'CONTROL_FORBIDDEN', kind: { exit: 1 } })
  expect(String(refused)).toMatch(/ may not use .*agent\.sock: run this as the user that runs/)
})

test('a daemon that hangs is waited for so long and no longer', async () => {
  const socket = join(await temporaryFolder(), 'agent.sock')
  const held = createServer(() => undefined).listen(socket)
  await once(held, 'listening')

  const asked = new ControlClient(socket, 50).answers()

  await expect(asked).rejects.toMatchObject({ code: 'CONTROL_SILENT', kind: { exit: 5 } })
  held.close()
})

/** As somebody whom the socket's mode keeps out; it keeps root out of nothing. */
async function asStranger<T>(socket: string, work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) {
    await chmod(socket, 0)
    return await work()
  }
  process.seteuid?.(65_534)
  try {
    return await work()
  } finally {
    process.seteuid?.(0)
  }
}

test('the socket of a daemon that died is replaced', async () => {
  const socket = join(await temporaryFolder(), 'agent.sock')
  await writeFile(socket, '')
  const server = serverAt(socket)

  await server.start()

  expect(await new ControlClient(socket).answers()).toBe(true)
  await server.stop()
})

test('a path that is too long is refused before anything listens at what is left of it', async () => {
  const dir = await temporaryFolder()
  const socket = join(dir, 'x'.repeat(100), 'agent.sock')

  await expect(serverAt(socket).start()).rejects.toMatchObject({ code: 'SOCKET_PATH_TOO_LONG' })

  expect(await readdir(dir)).toEqual([])
  const client = new ControlClient(socket)
  await expect(client.get('/v1/status', z.unknown())).rejects.toMatchObject({
    code: 'SOCKET_PATH_TOO_LONG'
  })
  // Nobody can listen there: a command that works without a daemon goes on.
  expect(await client.answers()).toBe(false)
})

test('a folder that takes no socket is said, not reported as a bug', async () => {
  const dir = await temporaryFolder()
  await writeFile(join(dir, 'file'), '')

  for (const socket of [join(dir, 'file', 'agent.sock'), '/proc/nope/agent.sock']) {
    await expect(serverAt(socket).start()).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' })
  }
})

test('stopping a server that never started does nothing', async () => {
  const dir = await temporaryFolder()

  await serverAt(join(dir, 'agent.sock')).stop()

  expect(await readdir(dir)).toEqual([])
})
