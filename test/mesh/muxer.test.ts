import type { Connection } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { PROTOCOLS } from '../../protocol/wire/ids.ts'
import { generateKey } from '../../protocol/wire/keys.ts'
import { eventually } from '../support/eventually.ts'
import { rawPeer } from '../support/raw-peer.ts'

let dialler: Libp2p
let listener: Libp2p
beforeEach(async () => {
  dialler = await rawPeer(generateKey())
  listener = await rawPeer(generateKey())
})
afterEach(async () => {
  await Promise.all([dialler.stop(), listener.stop()])
})

/** Lets `end` end the connection in the turn in which a stream is opened. */
async function openedWhile(end: (connection: Connection) => unknown): Promise<string> {
  const connection = await dialler.dial(listener.getMultiaddrs())
  // Identify's own streams are over.
  await eventually('a quiet connection', () => connection.streams.length === 0)
  const opening = connection.newStream(PROTOCOLS.query).then(
    () => 'opened',
    (error: Error) => error.name
  )
  end(connection)
  return await opening
}

describe('a connection that ends while a stream is being opened', () => {
  test('fails the opening, and nothing that would end the process', async () => {
    // Vitest fails the run for whatever is not caught.
    const aborted = await openedWhile((connection) => connection.abort(new Error('gone')))
    const closed = await openedWhile((connection) => void connection.close())

    expect([aborted, closed]).not.toContain('opened')
  })
})
