import { MeshError } from '../core/errors.ts'
import { STORE_NAME_CHARACTERS_MAX } from '../core/limits.ts'
import type { RecordKey } from '../core/ports.ts'

/*
 * The keys of the one database (lease-protocol 4.4).
 *
 *   r/<register>@<E>  place in the index, then the acceptor's record
 *   t/<register>@<E>  when it was dropped: it never comes back (4.10)
 *   i/<sequence>      what SYNC says of the register that changed last there
 *   a/<annHash>       announcement
 *   l/<register>      attempt of this agent
 *   d/<n> e/<n> s/<n> delivery n of this gateway: summary, body, announcement
 *   o/<gwSeq>         announcement of this gateway whose run is not known as closed
 *   q/<runId>         witness epoch pinned to the run
 *   u/<n> h/<n>       status that is to be told to a forge; what was last seen of a repository
 *   p/<n>             job of a forge that waits for a runner, or attempt of such a runner
 *   meta/floor/<gateway>  all its runs up to there are closed, by its own word
 *   meta/...          identity, counters, mark of a clean stop
 */
export const META_STORE = 'meta/store'
export const META_WSEQ = 'meta/wseq'
export const META_CLEAN = 'meta/clean'
export const META_GWSEQ = 'meta/gwseq'
export const META_GWFLOOR = 'meta/gwfloor'
export const META_FLOORS = 'meta/floor/'

/** Prefixes whose rows are small and all checked at a start; announcements and bodies are not. */
export const CHECKED_PREFIXES = ['r/', 't/', 'i/', 'l/', 'd/', 'o/', 'q/', 'u/', 'meta/'] as const

/** Digits of Number.MAX_SAFE_INTEGER: numbers sort as text. */
const SEQUENCE_DIGITS = 16

const NAME = /^[A-Za-z0-9._:-]+$/

/** Throws REQUEST_INVALID for a register or epoch that can be none. */
export function recordKey(key: RecordKey): string {
  return `r/${placeOf(key)}`
}

/** Throws REQUEST_INVALID. */
export function tombstoneKey(key: RecordKey): string {
  return `t/${placeOf(key)}`
}

function placeOf(key: RecordKey): string {
  if (!Number.isSafeInteger(key.witnessEpoch) || key.witnessEpoch < 0) {
    throw new MeshError('REQUEST_INVALID', { problem: `${key.witnessEpoch} is no witness epoch` })
  }
  return `${nameIn('register', key.register)}@${key.witnessEpoch}`
}

export function indexKey(sequence: number): string {
  return `i/${sequenceText(sequence)}`
}

export function sequenceOf(key: string): number {
  return Number(key.slice(key.lastIndexOf('/') + 1))
}

/** Throws REQUEST_INVALID. */
export function announcementKey(annHash: string): string {
  return `a/${nameIn('announcement', annHash)}`
}

/** Throws REQUEST_INVALID. */
export function attemptKey(register: string): string {
  return `l/${nameIn('register', register)}`
}

/** Throws REQUEST_INVALID. */
export function floorKey(gateway: string): string {
  return `${META_FLOORS}${nameIn('gateway', gateway)}`
}

export function openKey(gwSeq: number): string {
  return `o/${sequenceText(gwSeq)}`
}

/** Throws REQUEST_INVALID. */
export function pinKey(runId: string): string {
  return `q/${nameIn('run', runId)}`
}

/** Tables of a gateway whose rows have numbers and nothing else. */
export type TablePrefix = 'u/' | 'h/' | 'c/' | 'p/'

export function rowKey(prefix: TablePrefix, number: number): string {
  return `${prefix}${sequenceText(number)}`
}

export interface DeliveryKeys {
  readonly summary: string
  readonly body: string
  readonly sealed: string
}

/** By number, never by what a request calls itself: no foreign text becomes a key. */
export function deliveryKeys(number: number): DeliveryKeys {
  const text = sequenceText(number)
  return { summary: `d/${text}`, body: `e/${text}`, sealed: `s/${text}` }
}

/** Smallest key behind all that start with `prefix`. */
export function behind(prefix: string): string {
  return `${prefix}\uffff`
}

function sequenceText(sequence: number): string {
  return String(sequence).padStart(SEQUENCE_DIGITS, '0')
}

// Names come from peers; '@' and '/' in one would let two registers share a key.
function nameIn(what: string, name: string): string {
  if (name.length <= STORE_NAME_CHARACTERS_MAX && NAME.test(name)) return name
  throw new MeshError('REQUEST_INVALID', { problem: `${JSON.stringify(name)} names no ${what}` })
}
