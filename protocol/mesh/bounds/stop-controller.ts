import { setMaxListeners } from 'node:events'

/**
 * What ends all background work of one part. Hundreds of requests listen to it side by side, so the
 * warning of Node at the eleventh listener would cry wolf.
 */
export function stopController(): AbortController {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  return controller
}

/** Aborted with either. */
export function linkSignals(a: AbortSignal, b: AbortSignal): AbortSignal {
  const linked = AbortSignal.any([a, b])
  setMaxListeners(0, linked)
  return linked
}
