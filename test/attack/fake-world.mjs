/*
 * All that answers in the namespace of network-bed.ts: one process of plain Node, run there by
 * `ip netns exec`. Says `ready` once it listens.
 */
import { createSocket } from 'node:dgram'
import { createServer } from 'node:http'

const TCP_PORTS = [25, 80, 443, 5432]
const ANSWER_BYTES = 16
/** More than one job may open: with Node's 511 the server would be what holds a job back. */
const BACKLOG = 4_096

const server = () => createServer((_request, response) => response.end('here\n'))
await Promise.all(
  TCP_PORTS.map(
    (port) => new Promise((resolve) => server().listen(port, '0.0.0.0', BACKLOG, resolve))
  )
)

/**
 * A name server that gives the address that a name spells, as `ip-10-9-9-9.example`, and 1.2.3.4 for
 * all others.
 */
const addressOf = (question) => {
  const label = question.subarray(13, 13 + question[12]).toString('latin1')
  const spelled = /^ip-(\d+)-(\d+)-(\d+)-(\d+)$/.exec(label)
  return spelled === null ? [1, 2, 3, 4] : spelled.slice(1).map(Number)
}

const names = createSocket('udp4')
names.on('message', (question, from) => {
  const answer = Buffer.alloc(ANSWER_BYTES)
  answer.writeUInt16BE(0xc0_0c, 0)
  answer.writeUInt16BE(1, 2)
  answer.writeUInt16BE(1, 4)
  answer.writeUInt32BE(1, 6)
  answer.writeUInt16BE(4, 10)
  answer.set(addressOf(question), 12)
  const end = question.indexOf(0, 12) + 5
  const isAddress = question.readUInt16BE(end - 4) === 1
  const head = Buffer.from(question.subarray(0, end))
  head.writeUInt16BE(0x81_80, 2)
  head.writeUInt16BE(isAddress ? 1 : 0, 6)
  head.fill(0, 8, 12)
  names.send(isAddress ? Buffer.concat([head, answer]) : head, from.port, from.address)
})
// Bound to all, it would answer from another address than it was asked at.
names.bind(53, process.argv[2], () => process.stdout.write('ready\n'))
