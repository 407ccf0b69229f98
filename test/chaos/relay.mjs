// A TCP proxy in front of one daemon, inside its namespace: peers dial it, and what they send is
// late, slow, stuck or cut off as one JSON line on standard input says. Ends with its input.
// Usage: node relay.mjs LISTEN_PORT TARGET_PORT SEED
import { connect, createServer } from 'node:net'
import { createInterface } from 'node:readline'

const [listenPort, targetPort, seed] = process.argv.slice(2).map(Number)
const CALM = { delayMs: 0, jitterMs: 0, stallRate: 0, stallMs: 0, cutRate: 0, swallow: false }
/** Bytes that wait in one direction before its source is paused. */
const HELD_BYTES_MAX = 1_048_576

let mode = CALM
let state = seed >>> 0
const pairs = new Set()

/** mulberry32: the same seed, the same luck. */
function random() {
  state = (state + 0x6d2b79f5) >>> 0
  let mixed = Math.imul(state ^ (state >>> 15), state | 1)
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
}

/** One direction: every chunk leaves in order, when it is due. */
function carry(from, to, end) {
  const queue = []
  let held = 0
  let dueMs = 0
  let timer
  const send = () => {
    timer = undefined
    while (queue.length > 0 && queue[0].dueMs <= performance.now()) {
      const { chunk } = queue.shift()
      if (chunk === undefined) return to.end()
      held -= chunk.length
      to.write(chunk)
    }
    if (held < HELD_BYTES_MAX && from.isPaused()) from.resume()
    if (queue.length > 0) timer = setTimeout(send, Math.max(1, queue[0].dueMs - performance.now()))
  }
  const put = (chunk) => {
    // What a lost segment does to a stream: all that follows waits for its retransmission.
    const stallMs = random() < mode.stallRate ? mode.stallMs : 0
    const lateMs = mode.delayMs + random() * mode.jitterMs + stallMs
    dueMs = Math.max(dueMs, performance.now() + lateMs)
    queue.push({ chunk, dueMs })
    held += chunk?.length ?? 0
    if (held >= HELD_BYTES_MAX) from.pause()
    if (timer === undefined) timer = setTimeout(send, Math.max(0, dueMs - performance.now()))
  }
  from.on('data', (chunk) => {
    if (mode.swallow) return
    if (random() < mode.cutRate) return end()
    put(chunk)
  })
  from.on('end', () => put(undefined))
  from.on('close', () => to.destroyed || put(undefined))
}

createServer({ allowHalfOpen: true, noDelay: true }, (peer) => {
  const daemon = connect({ host: '127.0.0.1', port: targetPort, allowHalfOpen: true, noDelay: true })
  const end = () => {
    peer.destroy()
    daemon.destroy()
    pairs.delete(end)
  }
  pairs.add(end)
  for (const socket of [peer, daemon]) socket.on('error', end)
  daemon.on('close', () => pairs.delete(end))
  carry(peer, daemon, end)
  carry(daemon, peer, end)
}).listen(listenPort, '0.0.0.0', () => process.stdout.write('listening\n'))

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { cutAll, ...wanted } = JSON.parse(line)
    mode = { ...CALM, ...wanted }
    if (cutAll) for (const end of [...pairs]) end()
  })
  .on('close', () => process.exit(0))
