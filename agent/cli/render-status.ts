import prettyBytes from 'pretty-bytes'
import prettyMs from 'pretty-ms'
import { formatIsolation } from '../../protocol/core/isolation.ts'
import { harmless } from '../../protocol/host/harmless.ts'
import type { PeerView, StatusView } from '../control/contract.ts'
import type { Colour, Console } from './console.ts'
import { gpusCell, renderGpus, renderGpuUse } from './render-gpus.ts'
import { renderTable } from './table.ts'

const HEAD = ['NAME', 'STATE', 'JOBS', 'PLATFORM', 'LABELS', 'FREE', 'RTT', 'SEEN', 'VERSION']
const WIDE_HEAD = [
  ...HEAD.filter((name) => name !== 'FREE'),
  ...['PEER', 'ADDRESS', 'CPU', 'MEM', 'DISK', 'GPU']
]

/** `wide` has every column; what is free is split into its parts there. */
export type StatusForm = 'narrow' | 'wide'

/** Health lines first, then one row a peer, self first; ends with one line of totals. */
export function renderStatus(
  view: StatusView,
  console: Console,
  form: StatusForm = 'narrow'
): string {
  const { paint } = console
  const status = harmless(view)
  const health = status.health.map((line) => {
    const fix = line.fix === null ? '' : `\n#        fix: ${line.fix}`
    return `${paint('yellow', `# ${line.message}${fix}`)}\n`
  })
  const rows = status.peers.map((peer) => peerRow(peer, console, form))
  const head = form === 'wide' ? WIDE_HEAD : HEAD
  // Whoever asks for all columns wants them whole: a long line goes on in the next row.
  const table = renderTable(head, rows, form === 'wide' ? undefined : console.columns)
  const gap = health.length > 0 ? '\n' : ''
  return `${health.join('')}${gap}${table}\n${totals(status)}\n`
}

function peerRow(peer: PeerView, console: Console, form: StatusForm): string[] {
  return [
    peer.self ? `${peer.name} *` : peer.name,
    stateCell(peer, console),
    jobsCell(peer),
    platformCell(peer),
    labelsCell(peer),
    ...(form === 'wide' ? [] : [freeCell(peer)]),
    peer.roundTripMs === null ? '-' : `${Math.max(1, Math.round(peer.roundTripMs))}ms`,
    peer.self || peer.lastSeenMs === null ? '-' : prettyMs(peer.lastSeenMs, { compact: true }),
    peer.version ?? '-',
    ...(form === 'wide' ? wideCells(peer) : [])
  ]
}

/** Free of what there is. */
function wideCells(peer: PeerView): string[] {
  const { capacity, free, diskFreeBytes } = peer
  const sized = capacity !== null && free !== null
  return [
    peer.peerId,
    peer.addresses.join(' ') || '-',
    sized ? `${free.cpu}/${capacity.cpu}` : '-',
    sized ? `${bytesCell(free.memoryBytes)}/${bytesCell(capacity.memoryBytes)}` : '-',
    diskFreeBytes === null ? '-' : bytesCell(diskFreeBytes),
    gpusCell(peer.gpus)
  ]
}

function bytesCell(bytes: number): string {
  return prettyBytes(bytes, { binary: true, space: false })
}

function colourOf(state: PeerView['state']): Colour {
  if (state === 'idle' || state === 'up') return 'green'
  if (state === 'busy') return 'blue'
  return state === 'offline' ? 'dim' : 'yellow'
}

/** One that is closed is up, and takes nothing. */
function stateCell({ state, closing }: PeerView, console: Console): string {
  const isUp = state === 'idle' || state === 'busy'
  if (!isUp || closing === null) return console.paint(colourOf(state), state)
  return console.paint('yellow', state === 'idle' ? 'closed' : `${state}, closed`)
}

function jobsCell(peer: PeerView): string {
  if (peer.capacity === null) return '-'
  return `${peer.jobsRunning ?? '?'}/${peer.capacity.jobs}`
}

/** What its owner takes; nothing where that is everything. */
function policyRows({ policy }: PeerView): [string, string][] {
  if (policy === null) return []
  const { pinned, trustedOnly, ...lists } = policy
  const parts = Object.entries(lists)
    .filter(([, patterns]) => patterns.length > 0)
    .map(([name, patterns]) => `${name} ${patterns.join(' ')}`)
  if (pinned) parts.push('images by digest only')
  if (trustedOnly) parts.push('no untrusted runs')
  return [['takes only', parts.join('; ')]]
}

function platformCell(peer: PeerView): string {
  const native = peer.platforms.filter((platform) => platform.native).map(({ name }) => name)
  const emulated = peer.platforms.length - native.length
  return [...native, ...(emulated === 0 ? [] : [`+${emulated} emulated`])].join(' ') || '-'
}

/** All of them, the emulated ones told apart. */
function platformsOf({ platforms }: PeerView): string {
  const names = platforms.map(({ name, native }) => (native ? name : `${name} (emulated)`))
  return names.join(', ') || '-'
}

/** `runc; without a network also gvisor`, and the least that its owner wants for strangers. */
function isolationOf({ isolation }: PeerView): string {
  if (isolation === null) return '-'
  const { required } = isolation
  const wish = required === null ? '' : `; ${required} required for untrusted jobs`
  return `${formatIsolation({ ...isolation, required: undefined })}${wish}`
}

/** What jobs may have there, and by what they are kept to it. */
function networksOf({ networks }: PeerView): string {
  if (networks === null || networks.offered.length === 0) return 'none'
  return `${networks.offered.join(', ')} (${networks.rules ?? '-'})`
}

function labelsCell(peer: PeerView): string {
  const labels = Object.entries(peer.labels).map(([name, value]) => `${name}=${value}`)
  return labels.join(' ') || (peer.roles.includes('gateway') ? 'gateway' : '-')
}

function freeCell(peer: PeerView): string {
  if (peer.capacity === null || peer.free === null) return '-'
  const cores = `${peer.free.cpu}/${peer.capacity.cpu} cpu`
  const memory = `${bytesCell(peer.free.memoryBytes)}/${bytesCell(peer.capacity.memoryBytes)}`
  return peer.gpus.length === 0 ? `${cores} ${memory}` : `${cores} ${memory} ${gpusCell(peer.gpus)}`
}

function totals(status: StatusView): string {
  const agents = status.peers.filter((peer) => peer.roles.includes('agent')).length
  const gateways = status.peers.filter((peer) => peer.roles.includes('gateway')).length
  const { jobs, witnesses } = status
  const missing = witnesses.total - witnesses.reachable
  const reach = missing === 0 ? 'all reachable' : `${missing} not reachable`
  return (
    `${count(agents, 'agent')}, ${count(gateways, 'gateway')} · ` +
    `${jobs.running} running, ${jobs.queued} queued · ` +
    `${count(witnesses.total, 'witness')}, ${witnesses.perRun} a run, ` +
    `quorum ${witnesses.quorum}, ${reach}`
  )
}

function count(value: number, noun: string): string {
  const plural = noun.endsWith('s') ? `${noun}es` : `${noun}s`
  return `${value} ${value === 1 ? noun : plural}`
}

/** One peer in full, for `agent status NAME`. */
export function renderPeer(view: PeerView): string {
  const peer = harmless(view)
  const capacity =
    peer.capacity === null
      ? '-'
      : `${peer.capacity.cpu} cpu, ${prettyBytes(peer.capacity.memoryBytes, { binary: true })}, ` +
        `${prettyBytes(peer.capacity.diskBytes, { binary: true })} of disk, ` +
        `${count(peer.capacity.jobs, 'job')}`
  const rows: [string, string][] = [
    ['name', peer.name],
    ['peer', peer.peerId],
    ['roles', peer.roles.join(' ')],
    ['state', peer.state],
    ...(peer.closing === null ? [] : [['closed', peer.closing.text] as [string, string]]),
    ['addresses', peer.addresses.join(' ') || '-'],
    ['platforms', platformsOf(peer)],
    ['isolation', isolationOf(peer)],
    ['labels', labelsCell(peer)],
    ...policyRows(peer),
    ['capacity', capacity],
    ['free', freeCell(peer)],
    ['disk free', peer.diskFreeBytes === null ? '-' : prettyBytes(peer.diskFreeBytes)],
    ['disk limit', peer.diskLimit ?? '-'],
    ...renderGpus(peer.gpus),
    ...renderGpuUse(peer.gpuUse),
    ['engine', peer.engine ?? '-'],
    ['networks', networksOf(peer)],
    ['jobs', peer.jobs.join(' ') || '-'],
    ['round trip', peer.roundTripMs === null ? '-' : `${peer.roundTripMs.toFixed(1)} ms`],
    ['last seen', peer.lastSeenMs === null ? '-' : prettyMs(peer.lastSeenMs)],
    ['version', peer.version ?? '-']
  ]
  return rows.map(([name, value]) => `${name.padEnd(11)} ${value}\n`).join('')
}
