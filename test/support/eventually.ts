const POLL_MS = 10

/**
 * Resolves with the first value of `look` that is neither undefined nor false; rejects after
 * `limitMs` with `what`. For tests of real processes and sockets, whose time cannot be moved.
 */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  limitMs = 10_000
): Promise<T> {
  const endMs = Date.now() + limitMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (Date.now() >= endMs) throw new Error(`not within ${limitMs} ms: ${what}`)
    await new Promise((resolve) => {
      setTimeout(resolve, POLL_MS)
    })
  }
}
