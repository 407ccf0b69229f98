import type { Equivocation } from '../core/equivocation.ts'
import { EQUIVOCATION_BYTES_MAX } from '../core/equivocation-limits.ts'
import { causeOf, MeshError } from '../core/errors.ts'
import type { Accepted } from '../core/messages.ts'
import { isSameAnnouncement, openAnnouncement } from './announcement.ts'
import { decodeValue, encodeValue, hashValue } from './value-codec.ts'
import { verifier } from './verifier.ts'

const SCHEMA = 'runner-mesh.equivocation/1'

/** An equivocation that proves itself, and when it was found. */
export interface ProvenEquivocation {
  readonly found: Equivocation
  /** Wall clock, milliseconds. */
  readonly seenAtMs: number
}

/**
 * A JSON document with both signed things, for anybody to check: the values of proposals as their
 * wire bytes, beside the rest of what their signatures cover (`proposalStatement`), and
 * announcements as they travel. Throws PROOF_INVALID for what does not prove anything.
 */
export function encodeEquivocation({ found, seenAtMs }: ProvenEquivocation): string {
  const head = { schema: SCHEMA, kind: found.kind, peer: found.peer, seenAtMs }
  const text = `${JSON.stringify({ ...head, ...bodyOf(found) }, null, 1)}\n`
  // As a reader will: what it would refuse is not worth keeping.
  decodeEquivocation(text)
  return text
}

/** Verifies what `encodeEquivocation` made, both signatures. Throws PROOF_INVALID. */
export function decodeEquivocation(text: string): ProvenEquivocation {
  try {
    if (text.length > EQUIVOCATION_BYTES_MAX) refuse(`over ${EQUIVOCATION_BYTES_MAX} bytes`)
    const fields = fieldsOf(JSON.parse(text), 'the document')
    if (fields['schema'] !== SCHEMA) refuse(`its schema is not ${SCHEMA}`)
    const peer = textOf(fields, 'peer')
    const seenAtMs = numberOf(fields, 'seenAtMs')
    const found = fields['kind'] === 'announcements' ? announcements(fields) : proposals(fields)
    if (found.peer !== peer) refuse(`${found.peer} signed it, not ${peer}`)
    return { found, seenAtMs }
  } catch (cause) {
    if (cause instanceof MeshError && cause.code === 'PROOF_INVALID') throw cause
    throw new MeshError('PROOF_INVALID', { problem: causeOf(cause) }, { cause })
  }
}

type Fields = Readonly<Record<string, unknown>>

function bodyOf(found: Equivocation): Fields {
  if (found.kind === 'announcements') {
    const { first, second } = found
    return { first: base64(first.bytes), second: base64(second.bytes) }
  }
  const { register, witnessEpoch, first, second } = found
  const { ballot } = first
  return { register, witnessEpoch, ballot, first: signed(first), second: signed(second) }
}

function signed({ value, proposerSig }: Accepted): Fields {
  return { value: base64(encodeValue(value)), signature: proposerSig }
}

function proposals(fields: Fields): Equivocation {
  const register = textOf(fields, 'register')
  const witnessEpoch = numberOf(fields, 'witnessEpoch')
  const of = fieldsOf(fields['ballot'], 'ballot')
  const round = numberOf(of, 'round')
  const ballot = { round, peer: textOf(of, 'peer'), boot: textOf(of, 'boot') }
  const accepted = (name: 'first' | 'second'): Accepted => {
    const one = fieldsOf(fields[name], name)
    const value = decodeValue(bytesOf(one, 'value'))
    const read = { ballot, value, proposerSig: textOf(one, 'signature') }
    if (verifier().proposal(register, witnessEpoch, read)) return read
    return refuse(`${name} is not signed by ${ballot.peer}`)
  }
  const [first, second] = [accepted('first'), accepted('second')]
  // Signed twice is no harm where it is the same.
  if (hashValue(first.value) === hashValue(second.value)) refuse('both values are the same')
  return { kind: 'proposals', peer: ballot.peer, register, witnessEpoch, first, second }
}

function announcements(fields: Fields): Equivocation {
  const first = openAnnouncement(bytesOf(fields, 'first'))
  const second = openAnnouncement(bytesOf(fields, 'second'))
  const { gateway: peer, gwSeq } = first.announcement
  const other = second.announcement
  if (other.gateway !== peer || other.gwSeq !== gwSeq) refuse('they have different numbers')
  // By what was signed: anybody may put that into other bytes around it.
  if (isSameAnnouncement(first.announcement, other)) refuse('both announcements are the same')
  return { kind: 'announcements', peer, first, second }
}

function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value === 'object' && value !== null) return value as Fields
  return refuse(`${what} has no fields`)
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name]
  return typeof value === 'string' ? value : refuse(`${name} is no text`)
}

function numberOf(fields: Fields, name: string): number {
  const value = fields[name]
  return typeof value === 'number' ? value : refuse(`${name} is no number`)
}

function bytesOf(fields: Fields, name: string): Uint8Array {
  return Buffer.from(textOf(fields, name), 'base64')
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function refuse(problem: string): never {
  throw new MeshError('PROOF_INVALID', { problem })
}
