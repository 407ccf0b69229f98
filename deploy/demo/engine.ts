import { request } from 'node:http'

const CALL_MS_MAX = 10_000

/** The engine's socket on this host, as its own client finds it. */
export function engineSocket(): string {
  const host = process.env['DOCKER_HOST'] ?? ''
  return host.startsWith('unix://') ? host.slice('unix://'.length) : '/var/run/docker.sock'
}

/** Plain HTTP to the engine: a judge that shares no code with what it judges. */
export function engineGet<T>(path: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: engineSocket(), path, timeout: CALL_MS_MAX }, (reply) => {
      let text = ''
      reply.setEncoding('utf8')
      reply.on('data', (part: string) => {
        text += part
      })
      reply.on('error', reject)
      reply.on('end', () => {
        if (reply.statusCode === 200) resolve(JSON.parse(text) as T)
        else reject(new Error(`engine: ${path}: ${reply.statusCode} ${text}`))
      })
    })
    call.on('timeout', () => call.destroy(new Error('the engine does not answer')))
    call.on('error', reject)
    call.end()
  })
}

export interface Leftovers {
  readonly containers: readonly string[]
  readonly volumes: readonly string[]
}

/** Containers and volumes that carry the label of one of these agents. */
export async function leftovers(peerIds: readonly string[]): Promise<Leftovers> {
  const found = await Promise.all(
    peerIds.map(async (peerId) => {
      const filters = encodeURIComponent(JSON.stringify({ label: [`runner-mesh.peer=${peerId}`] }))
      const containers = await engineGet<{ Names: string[] }[]>(
        `/containers/json?all=1&filters=${filters}`
      )
      const { Volumes: volumes } = await engineGet<{ Volumes: { Name: string }[] | null }>(
        `/volumes?filters=${filters}`
      )
      return {
        containers: containers.map((one) => one.Names.join(',')),
        volumes: (volumes ?? []).map((one) => one.Name)
      }
    })
  )
  return {
    containers: found.flatMap((one) => one.containers),
    volumes: found.flatMap((one) => one.volumes)
  }
}
