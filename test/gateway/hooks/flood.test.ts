import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { flood, floodOf } from '../../support/flood.ts'
import { webhookSecret } from '../../support/standard-webhook.ts'

test('no delivery of a paced flood is answered before it was sent, timers as early as they are', async () => {
  const server = createServer((incoming, reply) => {
    incoming.resume().on('end', () => reply.writeHead(202).end('{}'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const pushes = Array.from({ length: 100 }, (_, index) => {
    return { repository: 'team/kernel', commit: index.toString(16).padStart(40, '0') }
  })
  const url = `http://127.0.0.1:${port}/`
  const options = { url, secret: webhookSecret(), connections: 8, perSecond: 700 }

  const answers = await flood(floodOf(pushes, 4), options)

  server.close()
  expect(answers).toHaveLength(400)
  expect(answers.filter(({ ms }) => ms <= 0)).toEqual([])
})
