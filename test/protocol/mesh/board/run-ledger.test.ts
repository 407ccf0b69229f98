import { expect, test } from 'vitest'
import type { RegisterReply } from '../../../../protocol/core/messages.ts'
import type { RequestOptions } from '../../../../protocol/core/ports.ts'
import { AnnouncementFetch } from '../../../../protocol/mesh/announcements/announcement-fetch.ts'
import { AnnouncementShelf } from '../../../../protocol/mesh/announcements/announcement-shelf.ts'
import { RunLedger } from '../../../../protocol/mesh/board/run-ledger.ts'
import type {
  ReadOptions,
  ReadResult
} from '../../../../protocol/mesh/registers/register-client.ts'
import { openMesh } from '../../../support/open-mesh.ts'
import { runValue } from '../../../support/witness-asks.ts'

/** A ledger whose reads and fetches end when the test says so. */
async function open() {
  const mesh = await openMesh()
  const [gateway, agent] = [mesh.peer(0), mesh.peer(1)]
  const sealed = mesh.announce()
  const reads: ReadOptions[] = []
  const read = Promise.withResolvers<ReadResult>()
  const bytes = Promise.withResolvers<Uint8Array | undefined>()
  const asked: RequestOptions[] = []
  const request = async (
    _peer: string,
    _message: unknown,
    options: RequestOptions
  ): Promise<RegisterReply> => {
    asked.push(options)
    return { kind: 'announcement', bytes: await bytes.promise }
  }
  const shelf = new AnnouncementShelf({ announcement: async () => undefined })
  const ledger = new RunLedger({
    client: {
      read: async (_ref, options) => {
        reads.push(options)
        return await read.promise
      }
    },
    sets: agent.sets,
    shelf,
    fetch: new AnnouncementFetch({ transport: { peerId: agent.peerId, request }, shelf })
  })
  const value = runValue(gateway, sealed)
  const chosen: ReadResult = { kind: 'chosen', value, leaseRemainingMs: 0, stage: undefined }
  const find = (options: Parameters<RunLedger['find']>[2]) => {
    return ledger.find(sealed.announcement.runId, 1, options)
  }
  const turn = () => mesh.clock.advance(0)
  return { sealed, reads, asked, find, turn, read: () => read.resolve(chosen), bytes }
}

test('a look that one caller gives up goes on for the other, to the bytes', async () => {
  const { sealed, reads, asked, find, turn, read, bytes } = await open()
  const [first, second] = [new AbortController(), new AbortController()]
  const given = expect(find({ signal: first.signal })).rejects.toThrow('given up')
  const kept = find({ signal: second.signal })
  first.abort(new Error('given up'))
  await given
  read()
  await turn()
  expect([reads.length, asked.length]).toEqual([1, 1])

  bytes.resolve(sealed.bytes)

  expect(await kept).toEqual({ kind: 'chosen', sealed })
})

test('who wants an unsettled run settled does not get the look of one who does not', async () => {
  const { sealed, reads, find, turn, read, bytes } = await open()
  const idle = find({ settle: 'never' })
  const eager = find({ settle: 'write', annHash: sealed.annHash })
  bytes.resolve(sealed.bytes)
  await turn()

  expect(reads.map(({ settle }) => settle)).toEqual(['never', 'write'])
  read()
  expect((await Promise.all([idle, eager])).map(({ kind }) => kind)).toEqual(['chosen', 'chosen'])
})
