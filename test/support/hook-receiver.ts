import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** A real HTTP server where hooks are sent, which answers what it is told to: 503 at first. */
export async function hookReceiver() {
  const state = { status: 503 }
  const server = createServer((_request, response) => {
    response.writeHead(state.status)
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { state, url: `http://127.0.0.1:${port}` }
}
