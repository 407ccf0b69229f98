import type { Duplex } from 'node:stream'

export interface IdleLimits {
  /** Milliseconds without a byte. */
  readonly idleMs: number
  /** Likewise, once one of them sends no more. */
  readonly halfOpenMs: number
}

/** Ends all of these once nothing has come from any of them for so long. Gives what stops it. */
export function endIdle(streams: readonly Duplex[], limits: IdleLimits): () => void {
  let isHalf = streams.some((stream) => stream.readableEnded)
  let timer: NodeJS.Timeout | undefined
  const end = (): void => {
    for (const stream of streams) stream.destroy()
  }
  const touch = (): void => {
    clearTimeout(timer)
    timer = setTimeout(end, isHalf ? limits.halfOpenMs : limits.idleMs)
    timer.unref()
  }
  const half = (): void => {
    isHalf = true
    touch()
  }
  const stop = (): void => {
    clearTimeout(timer)
    for (const stream of streams) {
      stream.off('data', touch)
      stream.off('end', half)
      stream.off('close', stop)
    }
  }
  for (const stream of streams) stream.on('data', touch).on('end', half).on('close', stop)
  touch()
  return stop
}
