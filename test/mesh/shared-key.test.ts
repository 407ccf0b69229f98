import { expect, onTestFinished, test } from 'vitest'
import { PROTOCOLS } from '../../protocol/wire/ids.ts'
import { TestMesh } from '../support/mesh-nodes.ts'

/* What SharedKeys counts on: a witness hears both of two hosts with one key, however long. */

test('requests of two hosts that use one key are both answered, turn by turn', async () => {
  const heard: string[] = []
  const mesh = new TestMesh()
  onTestFinished(() => mesh.stop())
  const witness = await mesh.addHost({
    prepare: (node) => {
      node.handle(PROTOCOLS.register, async (remote, body) => {
        heard.push(`${remote} ${Buffer.from(body)}`)
        return body
      })
    }
  })
  const first = await mesh.addHost()
  const roster = await mesh.admitAll()
  const copy = await mesh.startHost({ key: first.key, roster })
  await mesh.linked()

  for (const [index, { node }] of [first, copy, first, copy, first].entries()) {
    const body = Buffer.from(`request ${index}`)
    await node.request(witness.key.peerId, PROTOCOLS.register, body, { timeoutMs: 10_000 })
  }

  const { peerId } = first.key
  expect(heard).toEqual([0, 1, 2, 3, 4].map((index) => `${peerId} request ${index}`))
})
