import type { Distribution, EngineLogin } from './engine-types.ts'

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
  /** Sent as a header, and never in the path. */
  readonly authconfig?: EngineLogin
  readonly statusCodes: Readonly<Record<number, true>>
}

/** Calls the engine and then back with the body of its answer, or why there is none. */
export type Dial = (request: Request, done: (error: unknown, body: unknown) => void) => void

export interface RegistryQuestion {
  readonly name: string
  readonly tag: string
  readonly login: EngineLogin | undefined
  readonly signal: AbortSignal
}

/** dockerode's own call takes no signal, and a registry may be silent for ever. */
export async function askRegistry(
  dial: Dial,
  { name, tag, login, signal: abortSignal }: RegistryQuestion
): Promise<Distribution> {
  const isDigest = tag.startsWith('sha256:')
  const path = `/distribution/${name}${isDigest ? '@' : ':'}${tag}/json`
  const answer = await new Promise<Answer>((resolve, reject) => {
    const access = login === undefined ? {} : { authconfig: login }
    const call = {
      path,
      method: 'GET',
      abortSignal,
      statusCodes: { 200: true },
      ...access
    } as const
    dial(call, (error, body) => {
      if (error === null || error === undefined) resolve(body as Answer)
      else reject(error)
    })
  })
  const platforms = (answer.Platforms ?? []).map(({ os, architecture, variant }) =>
    [os, architecture, variant].filter(Boolean).join('/')
  )
  return { digest: answer.Descriptor.digest, platforms }
}
