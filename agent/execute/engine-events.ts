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

/** Behind `exec_create: `, the command of what nobody starts: see `Engine.mark`. */
const MARK = /^exec_create: \/ ([0-9a-f]{32})$/

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
  // Labels of the container stand in place of attributes of their name: those of an image are
  // emptied on each container that we make (see `containerBody`), so that empty means not known.
  const text = (name: string): string | undefined => attributes[name] || undefined
  const number = (name: string): number | undefined => {
    const value = Number(text(name))
    return Number.isNaN(value) ? undefined : value
  }
  const mark = MARK.exec(Action)?.[1]
  return {
    action: action as EngineEvent['action'],
    execId: text('execID') ?? '',
    ...(mark === undefined ? {} : { mark }),
    exitCode: number('exitCode'),
    signal: number('signal'),
    service: text(SERVICE_LABEL),
    // Nanoseconds are beyond 2**53 and came rounded: going on from there repeats an event at worst.
    time: (timeNano / 1e9).toFixed(6)
  }
}
