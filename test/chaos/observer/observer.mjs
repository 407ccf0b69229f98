// Who was alive when, by the kernel: process 1 of every container that an agent made, looked at
// every 50 ms, on the clock that counts from the machine's boot. Shares no code with the mesh and
// takes its word for nothing: which containers there are, the engines' events and lists say.
// Writes one JSON line for each container that is gone, and one a second that it is awake.
// Usage: node observer.mjs ENGINE_SOCKET...; ends at SIGTERM, with all that is alive told of.
import { readFileSync } from 'node:fs'
import { request } from 'node:http'

const LOOK_EVERY_MS = 50
const LIST_EVERY_MS = 1_000
const AGAIN_AFTER_MS = 200
const CALL_MS_MAX = 5_000
/** The kernel counts a process's start in hundredths of a second since boot. */
const TICK_MS = 10

const sockets = process.argv.slice(2)
/** By container id; `pid` is absent where it was gone before anybody could look. */
const known = new Map()
let slowestLookMs = 0

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)

const bootMs = () => Math.round(Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 1e3)

/** Undefined once it has ended, even where nobody has collected it yet. */
function startTicks(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : Number(fields[19])
  } catch {
    return undefined
  }
}

function isOf(pid, container) {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'latin1').includes(container)
  } catch {
    return false
  }
}

function get(socketPath, path) {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path, timeout: CALL_MS_MAX }, (reply) => {
      let text = ''
      reply.setEncoding('utf8')
      reply.on('data', (part) => {
        text += part
      })
      reply.on('error', reject)
      reply.on('end', () => (reply.statusCode === 200 ? resolve(JSON.parse(text)) : resolve()))
    })
    call.on('timeout', () => call.destroy(new Error('no answer')))
    call.on('error', reject)
    call.end()
  })
}

/** Takes it into view, once. */
async function meet(socket, container, labels, startedAtMs) {
  if (known.has(container) || labels['runner-mesh.job'] === undefined) return
  const seen = {
    container,
    engine: sockets.indexOf(socket),
    job: labels['runner-mesh.job'],
    peer: labels['runner-mesh.peer'],
    epoch: Number(labels['runner-mesh.epoch']),
    toldStartMs: startedAtMs,
    looks: 0
  }
  known.set(container, seen)
  try {
    const found = await get(socket, `/containers/${container}/json`)
    const pid = found?.State?.Pid ?? 0
    const ticks = pid > 0 && isOf(pid, container) ? startTicks(pid) : undefined
    if (ticks !== undefined) Object.assign(seen, { pid, ticks, startMs: ticks * TICK_MS })
  } catch {
    // The engine has just died: the next list of it finds the container again.
    known.delete(container)
  }
}

function look() {
  const nowMs = bootMs()
  for (const seen of known.values()) {
    if (seen.pid === undefined || seen.over) continue
    if (startTicks(seen.pid) === seen.ticks) {
      seen.aliveMs = nowMs
      seen.looks += 1
    } else leave(seen)
  }
}

function leave(seen) {
  seen.over = true
  const { pid, ticks, over, ...told } = seen
  say({ kind: 'container', ...told })
}

/** Of a container that was never seen alive, the engine's own times are all there is. */
function die(container, atMs) {
  const seen = known.get(container)
  if (seen === undefined || seen.over) return
  seen.toldEndMs = atMs
  if (seen.pid === undefined) leave(seen)
}

/** The engine stamps with the wall clock, which nobody moves but for single daemons. */
const fromWall = (nanos) => Math.round(bootMs() - (Date.now() - nanos / 1e6))

function follow(socket, sinceS) {
  const filters = encodeURIComponent(JSON.stringify({ type: ['container'], event: ['start', 'die'] }))
  const since = sinceS === undefined ? '' : `&since=${sinceS}`
  let text = ''
  const again = () => setTimeout(() => follow(socket, Math.floor(lastS)), AGAIN_AFTER_MS)
  let lastS = sinceS ?? Date.now() / 1e3
  const call = request({ socketPath: socket, path: `/events?filters=${filters}${since}` })
  call.on('error', again)
  call.on('response', (reply) => {
    reply.setEncoding('utf8')
    reply.on('error', () => undefined)
    reply.on('close', again)
    reply.on('data', (part) => {
      text += part
      const lines = text.split('\n')
      text = lines.pop() ?? ''
      for (const line of lines.filter((one) => one !== '')) {
        const { Action: action, Actor: actor, timeNano } = JSON.parse(line)
        lastS = timeNano / 1e9
        const atMs = fromWall(timeNano)
        if (action === 'die') die(actor.ID, atMs)
        else void meet(socket, actor.ID, actor.Attributes ?? {}, atMs)
      }
    })
  })
  call.end()
}

async function list(socket) {
  const filters = encodeURIComponent(JSON.stringify({ label: ['runner-mesh.job'] }))
  try {
    const found = (await get(socket, `/containers/json?filters=${filters}`)) ?? []
    for (const one of found) await meet(socket, one.Id, one.Labels ?? {}, undefined)
  } catch {
    // It is down, or being started again.
  }
}

let lookedMs = performance.now()
setInterval(() => {
  const nowMs = performance.now()
  slowestLookMs = Math.max(slowestLookMs, nowMs - lookedMs)
  lookedMs = nowMs
  look()
}, LOOK_EVERY_MS)
setInterval(() => {
  say({ kind: 'awake', containers: known.size, slowestLookMs: Math.round(slowestLookMs) })
  for (const socket of sockets) void list(socket)
}, LIST_EVERY_MS)
for (const socket of sockets) follow(socket)
say({ kind: 'awake', containers: 0, slowestLookMs: 0 })
process.on('SIGTERM', () => {
  look()
  for (const seen of known.values()) if (!seen.over) leave(seen)
  process.stdout.write('', () => process.exit(0))
})
