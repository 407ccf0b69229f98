import type { EngineEvent } from './engine-types.ts'

/** On a service's container: its name. Events carry the labels of their containers. */
export const SERVICE_LABEL = 'runner-mesh.service'

const ACTIONS: ReadonlySet<string> = new Set([
  'oom',
  'die',
  'exec_create',
  'exec_die',
  'destroy',
  'kill'
])

interface RawEvent {
  readonly Action: string
  readonly Actor?: { readonly Attributes?: Readonly<Record<string, string>> }
  readonly timeNano: number
}

/** One line of the engine's event stream; undefined where it is of no use to an attempt. */
export function parseEvent(document: unknown): EngineEvent | undefined {
  const { Action, Actor, timeNano } = document as RawEvent
  // `exec_create: COMMAND`
  const action = Action.replace(/:.*$/s, '')
  if (!ACTIONS.has(action)) return undefined
  const attributes = Actor?.Attributes ?? {}
  const number = (name: string): number | undefined => {
    const value = Number(attributes[name])
    return Number.isNaN(value) ? undefined : value
  }
  return {
    action: action as EngineEvent['action'],
    execId: attributes['execID'] ?? '',
    exitCode: number('exitCode'),
    signal: number('signal'),
    service: attributes[SERVICE_LABEL],
    // Nanoseconds are beyond 2**53 and came rounded: going on from there repeats an event at worst.
    time: (timeNano / 1e9).toFixed(6)
  }
}
