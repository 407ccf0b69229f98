import { createHash } from 'node:crypto'
import { keyOf, type SimEvent } from './events.ts'

const LAST_EVENTS = 40

/** All that happened, as one digest, and the end of it as text. */
export class Trace {
  readonly #hash = createHash('sha256')
  readonly #last: string[] = []
  count = 0

  add(event: SimEvent): void {
    const line = lineOf(event)
    this.#hash.update(line).update('\n')
    this.count += 1
    this.#last.push(line)
    if (this.#last.length > LAST_EVENTS) this.#last.shift()
  }

  last(): readonly string[] {
    return [...this.#last]
  }

  digest(): string {
    return this.#hash.copy().digest('hex')
  }
}

/** `12034.5 takes store=… place=… ballot=… value=leased/2`: one line an event. */
export function lineOf({ atMs, kind, ...fields }: SimEvent): string {
  const parts = Object.entries(fields).map(([name, field]) => `${name}=${textOf(field)}`)
  return `${atMs.toFixed(3)} ${kind} ${parts.join(' ')}`
}

function textOf(field: unknown): string {
  if (typeof field !== 'object' || field === null) return String(field)
  if ('round' in field) return keyOf(field as Parameters<typeof keyOf>[0])
  if ('hash' in field) return (field as { hash: string }).hash.slice(0, 8)
  if ('opId' in field) return (field as { opId: string }).opId
  if ('phase' in field) {
    const { phase, version, epoch } = field as { phase: string; version: number; epoch?: number }
    return `${phase}/v${version}/e${epoch ?? 0}`
  }
  return JSON.stringify(field)
}
