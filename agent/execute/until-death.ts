import type { ContainerWatch } from './container-watch.ts'

/** Milliseconds that the streams of a dead container may take to end by themselves. */
const STREAM_END_MS_MAX = 2_000

/**
 * Runs `work`, whose signal aborts at `signal`, or soon after the container's process 1 has ended:
 * with a runtime that has a kernel of its own (gVisor) engines never end the stream of what was
 * running then, so that nobody would learn of the death.
 */
export async function untilDeath<T>(
  watch: Pick<ContainerWatch, 'onDeath'>,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>
): Promise<T> {
  const dead = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const forget = watch.onDeath(() => {
    timer ??= setTimeout(() => dead.abort(), STREAM_END_MS_MAX)
  })
  try {
    return await work(AbortSignal.any([dead.signal, ...(signal === undefined ? [] : [signal])]))
  } finally {
    forget()
    clearTimeout(timer)
  }
}
