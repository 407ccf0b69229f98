import { type RequestOptions, request } from 'node:http'

const CALL_MS_MAX = 8_000

/** An order asks a quorum for up to 10 s before it is answered. */
const ORDER_MS_MAX = 20_000

interface Reply {
  readonly status: number
  readonly text: string
}

/** One JSON document by GET; rejects for any other answer than 200, and for none. */
export async function getJson<T>(options: RequestOptions): Promise<T> {
  const { status, text } = await call({ ...options, signal: AbortSignal.timeout(CALL_MS_MAX) })
  if (status !== 200) throw new StatusError(status, text)
  return JSON.parse(text) as T
}

/** Whatever is answered to `body`; rejects where nothing is. */
export function postJson(options: RequestOptions, body: unknown): Promise<Reply> {
  const headers = { ...options.headers, 'content-type': 'application/json' }
  const signal = AbortSignal.timeout(ORDER_MS_MAX)
  return call({ ...options, method: 'POST', headers, signal }, JSON.stringify(body))
}

function call(options: RequestOptions, body?: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request({ ...options, agent: false }, (reply) => {
      let text = ''
      reply.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      reply.on('error', reject)
      reply.on('end', () => resolve({ status: reply.statusCode ?? 0, text }))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

export class StatusError extends Error {
  readonly status: number

  constructor(status: number, text: string) {
    super(`${status} ${text.slice(0, 200)}`)
    this.status = status
  }
}
