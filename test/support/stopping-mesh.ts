import '../../protocol/host/node20.ts'

/*
 * Run as a process of its own: two hosts link, talk and stop. The process must then end by itself.
 */
const { TestMesh } = await import('./mesh-nodes.ts')
const { PROTOCOLS, TOPICS } = await import('../../protocol/wire/ids.ts')

const mesh = await TestMesh.start(2, {
  prepare: (node) => {
    node.handle(PROTOCOLS.query, async (_remote, body) => body)
    node.subscribe(TOPICS.jobs, () => 'accept')
  }
})
await mesh.linked()
const options = { timeoutMs: 5_000 }
await mesh.host(0).node.request(mesh.host(1).key.peerId, PROTOCOLS.query, Uint8Array.of(1), options)
await mesh.host(0).node.publish(TOPICS.jobs, Uint8Array.of(1))
await mesh.stop()
process.stdout.write('stopped\n')
