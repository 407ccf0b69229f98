/** What a child measured in one stretch of time. */
export interface WindowResult {
  readonly cycles: number
  readonly tookMs: number
  readonly claimsMs: readonly number[]
}

export interface WindowOptions {
  readonly inFlight: number
  readonly ms: number
}

/**
 * Runs cycles until `ms` are over, `inFlight` of them at any time; `cycle` gets a number of its own
 * and gives the milliseconds that its claim took. Cycles under way at the end are finished and
 * counted, and so is their time.
 */
export async function runWindow(
  { inFlight, ms }: WindowOptions,
  cycle: (index: number) => Promise<number>
): Promise<WindowResult> {
  const startedAt = performance.now()
  const claimsMs: number[] = []
  let next = 0
  const lane = async (): Promise<void> => {
    while (performance.now() - startedAt < ms) {
      next += 1
      claimsMs.push(await cycle(next))
    }
  }
  await Promise.all(Array.from({ length: inFlight }, lane))
  return { cycles: claimsMs.length, tookMs: performance.now() - startedAt, claimsMs }
}
