import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { extract } from 'tar-stream'
import { expect, test } from 'vitest'
import { programsArchive } from '../../../agent/probe/programs-archive.ts'

test('programs come out of their archive as they went in, for everybody to run', async () => {
  const programs = { arm64: Buffer.alloc(132, 7), empty: Buffer.alloc(0), block: Buffer.alloc(512) }
  const unpacked = extract()
  Readable.from([programsArchive(programs)]).pipe(unpacked)

  const found = []
  for await (const entry of unpacked) {
    const { name, mode, uid, type } = entry.header
    found.push({ name, mode, uid, type, bytes: await buffer(entry) })
  }

  expect(found).toEqual(
    Object.entries(programs).map(([name, bytes]) => {
      return { name, mode: 0o755, uid: 0, type: 'file', bytes }
    })
  )
})
