import type { Distribution } from './engine-types.ts'

/** The answer to `GET /distribution/{name}/json`, as far as it matters here. */
interface Answer {
  readonly Descriptor: { readonly digest: string }
  readonly Platforms: readonly Described[] | null
}

interface Described {
  readonly os: string
  readonly architecture: string
  readonly variant?: string
}

interface Request {
  readonly path: string
  readonly method: string
  readonly abortSignal: AbortSignal
  readonly statusCodes: Readonly<Record<number, true>>
}

/** Calls the engine and then back with the body of its answer, or why there is none. */
export type Dial = (request: Request, done: (error: unknown, body: unknown) => void) => void

/** dockerode's own call takes no signal, and a registry may be silent for ever. */
export async function askRegistry(
  dial: Dial,
  name: string,
  tag: string,
  abortSignal: AbortSignal
): Promise<Distribution> {
  const isDigest = tag.startsWith('sha256:')
  const path = `/distribution/${name}${isDigest ? '@' : ':'}${tag}/json`
  const answer = await new Promise<Answer>((resolve, reject) => {
    dial({ path, method: 'GET', abortSignal, statusCodes: { 200: true } }, (error, body) => {
      if (error === null || error === undefined) resolve(body as Answer)
      else reject(error)
    })
  })
  const platforms = (answer.Platforms ?? []).map(({ os, architecture, variant }) =>
    [os, architecture, variant].filter(Boolean).join('/')
  )
  return { digest: answer.Descriptor.digest, platforms }
}
