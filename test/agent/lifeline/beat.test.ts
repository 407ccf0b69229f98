import { writeFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Beat, encodeBeat, parseBeat } from '../../../agent/lifeline/beat.ts'
import { hearBeats } from '../../../agent/lifeline/beat-reader.ts'
import { BeatServer } from '../../../agent/lifeline/beat-server.ts'
import { ownIdentity } from '../../../protocol/host/process-identity.ts'
import { eventually } from '../../support/eventually.ts'
import { temporaryFolder } from '../../support/gateway-rig.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let socket: string
let server: BeatServer
const beat: Beat = {
  guardian: ownIdentity(),
  version: '1.2.3',
  peerId: 'me',
  storeId: 'mine',
  lookAgoMs: 12
}

beforeEach(async () => {
  folder = await temporaryFolder()
  socket = join(folder.dir, 'lifeline.sock')
  server = new BeatServer(() => beat)
})

afterEach(async () => {
  await server.close()
  await folder.remove()
})

test('a beat is read as it was written, and anything else is none', () => {
  expect(parseBeat(encodeBeat(beat).trim())).toEqual(beat)
  expect(parseBeat(encodeBeat({ ...beat, lookAgoMs: null }).trim())?.lookAgoMs).toBeNull()
  for (const other of ['', 'null', '7', '{}', '{"guardian":{}}', '{"guardian":']) {
    expect(parseBeat(other)).toBeUndefined()
  }
})

test('whoever connects hears beats until the guardian ends, whatever it says itself', async () => {
  await server.listen(socket)
  let heard = 0
  const onBeat = (one: Beat): void => {
    heard += 1
    expect(one).toEqual(beat)
  }
  const ended = hearBeats(socket, onBeat, new AbortController().signal)
  const rude = createConnection(socket)
  rude.on('error', () => undefined)
  rude.write('end yourself\n'.repeat(10_000))
  await eventually('beats come', () => heard > 2)
  rude.destroy()
  await server.close()

  expect(await ended).toBe('ended')
})

test('a socket left by a dead guardian is none, and in no one else its way', async () => {
  await writeFile(socket, '')
  const { signal } = new AbortController()
  expect(await hearBeats(socket, () => undefined, signal)).toBe('never_there')

  await server.listen(socket)
  let heard = 0
  const stop = new AbortController()
  const ended = hearBeats(
    socket,
    () => {
      heard += 1
    },
    stop.signal
  )
  await eventually('a beat comes', () => heard > 0)
  stop.abort()

  expect(await ended).toBe('ended')
})
