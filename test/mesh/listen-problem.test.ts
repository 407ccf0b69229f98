import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, test } from 'vitest'
import { silentLog } from '../../protocol/host/log.ts'
import { systemRandom } from '../../protocol/host/random.ts'
import { listenProblem } from '../../protocol/mesh/links/listen-problem.ts'
import { createMeshNode } from '../../protocol/mesh/links/node.ts'
import { RosterBook } from '../../protocol/mesh/members/roster-book.ts'
import { generateKey } from '../../protocol/wire/keys.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { temporaryFolder } from '../support/store-folder.ts'

test('a node that finds its port taken names the address and what to do', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const listen = [`/ip4/127.0.0.1/tcp/${(taken.address() as AddressInfo).port}`]
  const key = generateKey()
  const clock = new FakeClock()
  const rosters = await RosterBook.open(await temporaryFolder(), key.peerId, clock)
  const parts = { key, rosters, clock, random: systemRandom(), log: silentLog() }
  const node = createMeshNode(parts, { listen, announce: [], gossip: false })

  const started = node.start()

  const problem = `cannot listen on ${listen} (EADDRINUSE): choose another address or port`
  await expect(started).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    facts: { file: 'listen', problem }
  })
  await node.stop()
  taken.close()
})

test('what has nothing to do with listening stays what it is', () => {
  const other = new Error('\n  /ip4/10.0.0.1/tcp/1: Error: listen EADDRINUSE: in use')
  const wordless = Object.assign(new Error('no address'), {
    name: 'UnsupportedListenAddressesError'
  })

  for (const error of [other, wordless, 'text']) expect(listenProblem(error)).toBe(error)
})
