import { expect } from 'vitest'
import type { Generated } from '../../../protocol/wire/codec.ts'
import * as wire from '../../../protocol/wire/generated/register.ts'

/* What protons generates from the schemas: the oracle of what is read and written without it. */

type Fields = Readonly<Record<string, unknown>>

/** What generated code reads, where writing it again gives the same bytes; else undefined. */
export function readByGenerated(generated: Generated<unknown>, bytes: Uint8Array): unknown {
  try {
    const message = generated.decode(bytes)
    const again = generated.encode(message as object)
    return Buffer.compare(again, bytes) === 0 ? message : undefined
  } catch {
    return undefined
  }
}

/**
 * Every field of `message`, which generated code has read, is that of `domain` of the same name,
 * and none is missing.
 */
export function expectSameFields(message: unknown, spelled: unknown): void {
  const domain = withFlatNetwork(spelled as Fields)
  const fields = fieldsOf(message as Fields, domain as Fields)
  for (const [name, value] of Object.entries(fields)) {
    // Absent stands for no, and for none, where a domain may leave one out.
    if (isNothing(value) && (domain as Fields)[name] === undefined) continue
    expectSame(value, (domain as Fields)[name], name)
  }
  for (const [name, value] of Object.entries(domain as Fields)) {
    // A run's phase is spelled by what supersedes it; a kind by which field of a choice is there.
    if (name === 'kind' || (name === 'phase' && 'supersededBy' in (domain as Fields))) continue
    if (value !== undefined) expect(Object.keys(fields)).toContain(name)
  }
}

function isNothing(value: unknown): boolean {
  return value === false || value === 0
}

/** A job's network is one thing with two fields on the wire: its kind and its list. */
function withFlatNetwork(domain: Fields): Fields {
  const { network } = domain
  if (network === undefined) return domain
  if (typeof network === 'string') return { ...domain, networkAllow: [] }
  return { ...domain, network: 'allow', networkAllow: (network as Fields)['allow'] }
}

/** Of a choice: those of what it is. */
function fieldsOf(message: Fields, domain: Fields): Fields {
  const kind = domain['kind']
  const chosen = typeof kind === 'string' ? message[kind] : undefined
  if (typeof chosen !== 'object' || chosen === null) return message
  expect(Object.values(message).filter((value) => value !== undefined)).toHaveLength(1)
  return chosen as Fields
}

function expectSame(value: unknown, domain: unknown, name: string): void {
  if (value instanceof Uint8Array) expectSameBytes(value, domain)
  else if (Array.isArray(value)) {
    // Absent stands for an empty list where a domain may leave one out.
    const items = Array.isArray(domain) ? domain : pairsOf((domain ?? {}) as Fields)
    expect(items, name).toHaveLength(value.length)
    for (const [index, item] of value.entries()) {
      if (typeof item !== 'object') expect(items[index]).toBe(item)
      else expectSameFields(item, items[index])
    }
  } else if (typeof value === 'object' && value !== null) expectSameFields(value, domain)
  else if (value !== domain) {
    // Of an enumeration: TIMED_OUT behind the name of its type.
    expect(value, name).toMatch(new RegExp(`^[A-Z_]+_${String(domain).toUpperCase()}$`))
  }
}

function expectSameBytes(bytes: Uint8Array, domain: unknown): void {
  if (typeof domain === 'string') expect(Buffer.from(bytes).toString('hex')).toBe(domain)
  else if (domain instanceof Uint8Array) expect(Buffer.compare(bytes, domain)).toBe(0)
  else expectSameFields(wire.RegisterValue.decode(bytes), domain)
}

/** A record of strings travels as a list. */
function pairsOf(record: Fields): unknown[] {
  const pairs = Object.entries(record).map(([key, value]) => ({ key, value }))
  return pairs.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)))
}
