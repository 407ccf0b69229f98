import '../../protocol/host/node20.ts'
import { randomBytes } from 'node:crypto'
import { Etcd3 } from 'etcd3'
import { answerCalls } from './child-calls.ts'
import { runWindow, type WindowOptions } from './window.ts'

/* The same job cycle on etcd, over gRPC, by the client that Node programs use. */

/** About what our announcement, and our outcome, weigh. */
const JOB = randomBytes(400)
const OUTCOME = randomBytes(200)
const TTL_S = 30

const clients: Etcd3[] = []
let agentLease = '0'

function clientOf(index: number): Etcd3 {
  const client = clients[index % clients.length]
  if (client === undefined) throw new Error('not started')
  return client
}

async function put({ kv }: Etcd3, key: string, value: Buffer): Promise<void> {
  await kv.put({ key: Buffer.from(key), value })
}

/** Writes the claim if nobody has; gives the milliseconds since `startedAt`. */
async function claim({ kv }: Etcd3, name: string, lease: string, startedAt: number) {
  const key = Buffer.from(`${name}/claim`)
  const { succeeded } = await kv.txn({
    compare: [{ key, target: 'Version', result: 'Equal', version: 0 }],
    success: [{ request_put: { key, value: Buffer.from('agent'), lease } }]
  })
  if (!succeeded) throw new Error(`${name} was claimed by another`)
  return performance.now() - startedAt
}

/** Put, lease grant, conditional claim, put, revoke. */
async function full(index: number): Promise<number> {
  const client = clientOf(index)
  const name = `jobs/${randomBytes(16).toString('hex')}`
  await put(client, name, JOB)
  const startedAt = performance.now()
  const { ID } = await client.leaseClient.leaseGrant({ TTL: TTL_S })
  const claimMs = await claim(client, name, ID, startedAt)
  await put(client, `${name}/end`, OUTCOME)
  await client.leaseClient.leaseRevoke({ ID })
  return claimMs
}

/** Put, conditional claim under the agent's own lease, put. */
async function lean(index: number): Promise<number> {
  const client = clientOf(index)
  const name = `jobs/${randomBytes(16).toString('hex')}`
  await put(client, name, JOB)
  const claimMs = await claim(client, name, agentLease, performance.now())
  await put(client, `${name}/end`, OUTCOME)
  return claimMs
}

answerCalls(
  {
    start: async (hosts: readonly string[]) => {
      // One connection a node: which of them a client talks to is not the client's to know.
      for (const host of hosts) clients.push(new Etcd3({ hosts: `http://${host}` }))
      const { ID } = await clientOf(0).leaseClient.leaseGrant({ TTL: 100 * TTL_S })
      agentLease = ID
    },
    full: (options: WindowOptions) => runWindow(options, full),
    lean: (options: WindowOptions) => runWindow(options, lean)
  },
  async () => {
    for (const client of clients) client.close()
  }
)
