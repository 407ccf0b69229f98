import { type RequestOptions, request } from 'node:http'

const CALL_MS_MAX = 8_000

/** One JSON document by GET; rejects for any other answer than 200, and for none. */
export function getJson<T>(options: RequestOptions): Promise<T> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(CALL_MS_MAX)
    const call = request({ ...options, agent: false, signal }, (reply) => {
      let text = ''
      reply.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      reply.on('error', reject)
      reply.on('end', () => {
        if (reply.statusCode === 200) resolve(JSON.parse(text) as T)
        else reject(new StatusError(reply.statusCode ?? 0, text))
      })
    })
    call.on('error', reject)
    call.end()
  })
}

export class StatusError extends Error {
  readonly status: number

  constructor(status: number, text: string) {
    super(`${status} ${text.slice(0, 200)}`)
    this.status = status
  }
}
