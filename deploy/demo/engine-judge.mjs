// An independent judge of what ran where: reads the engine's event stream, nothing else, and shares
// no code with the mesh. Writes one JSON line for each start and end of a labelled container to
// standard output; ends at SIGTERM. Usage: node engine-judge.mjs SOCKET [PEER_ID...]; without peers
// it tells of every container that an agent made.
import { request } from 'node:http'

const [socket, ...peers] = process.argv.slice(2)
const filters = JSON.stringify({ type: ['container'], event: ['start', 'die'] })
const call = request({ socketPath: socket, path: `/events?filters=${encodeURIComponent(filters)}` })
call.on('error', (error) => {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
})
call.on('response', (reply) => {
  process.stdout.write(`${JSON.stringify({ judge: 'ready' })}\n`)
  let text = ''
  reply.setEncoding('utf8')
  // An engine that goes away has said nothing of what ran after that: no claim may rest on it.
  reply.on('end', () => {
    process.stderr.write('the engine ended its events\n')
    process.exit(1)
  })
  reply.on('data', (part) => {
    text += part
    const lines = text.split('\n')
    text = lines.pop() ?? ''
    for (const line of lines.filter((one) => one !== '')) judge(JSON.parse(line))
  })
})
call.end()
process.on('SIGTERM', () => process.exit(0))

function judge(event) {
  const labels = event.Actor?.Attributes ?? {}
  const peer = labels['runner-mesh.peer']
  if (peer === undefined || (peers.length > 0 && !peers.includes(peer))) return
  const seen = {
    action: event.Action,
    job: labels['runner-mesh.job'],
    peer,
    epoch: Number(labels['runner-mesh.epoch']),
    container: event.Actor.ID,
    atMs: Math.floor(event.timeNano / 1e6)
  }
  process.stdout.write(`${JSON.stringify(seen)}\n`)
}
