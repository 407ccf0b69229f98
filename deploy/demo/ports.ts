import { createServer } from 'node:net'

/** How far to look above a wanted port before giving up. */
const PORTS_TRIED_MAX = 200

/** The first free loopback ports from each wanted one on; taken ones are stepped over. */
export async function freePorts(wanted: readonly number[]): Promise<number[]> {
  const found: number[] = []
  for (const port of wanted) found.push(await nextFree(port, found))
  return found
}

async function nextFree(from: number, taken: readonly number[]): Promise<number> {
  for (let port = from; port < from + PORTS_TRIED_MAX; port++) {
    if (!taken.includes(port) && (await isFree(port))) return port
  }
  throw new Error(`no free port between ${from} and ${from + PORTS_TRIED_MAX}`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
