import { randomBytes } from 'node:crypto'
import type { FakeRepository } from './fake-forge-repository.ts'

export type FakeForgeKind = 'gitea' | 'forgejo' | 'github' | 'gitlab'

export interface FakeUser {
  readonly id: number
  readonly login: string
}

/**
 * What a token may do, in words that all forges have some scope for: `read` and `write` of the
 * repository with its statuses, `hooks` for hooks and their deliveries, `admin` for asking what
 * others may do.
 */
export type FakeScope = 'read' | 'write' | 'hooks' | 'admin'

export interface FakeToken {
  readonly user: FakeUser
  readonly scopes: ReadonlySet<FakeScope>
  /** Repositories that it is for; all where absent. */
  readonly paths?: readonly string[] | undefined
}

export interface FakePull {
  readonly number: number
  readonly author: FakeUser
  readonly title: string
  readonly baseBranch: string
  readonly headBranch: string
  /** Gitea and Forgejo: by a push to `refs/for/main`, for which reading is enough. */
  readonly isPushedFor?: boolean | undefined
  /** The repository that it comes from; undefined once that is deleted. */
  source: FakeRepository | undefined
  headCommit: string
  /** Where it was before it was updated; undefined until then. */
  headBefore?: string | undefined
  state: 'open' | 'closed' | 'merged'
  labels: readonly string[]
}

export interface FakeStatus {
  readonly id: number
  readonly sha: string
  readonly context: string
  state: string
  description: string
  targetUrl: string
  readonly ref: string
  /** Every state that it was given, oldest first. */
  readonly history: string[]
}

/** Users, tokens and repositories of one fake forge; what its API reads and changes. */
export class FakeWorld {
  readonly kind: FakeForgeKind
  readonly tokens = new Map<string, FakeToken>()
  readonly repositories = new Map<string, FakeRepository>()
  readonly users = new Map<string, FakeUser>()
  /** GitHub Apps by their ids: public key as PEM. */
  readonly apps = new Map<string, string>()
  /** Wall clock that the forge goes by. */
  nowMs: () => number = () => Date.now()
  #ids = 100

  constructor(kind: FakeForgeKind) {
    this.kind = kind
  }

  id(): number {
    this.#ids += 1
    return this.#ids
  }

  user(login: string): FakeUser {
    const known = this.users.get(login)
    if (known !== undefined) return known
    const user = { id: this.id(), login }
    this.users.set(login, user)
    return user
  }

  /** A new token's text. */
  token(
    login: string,
    scopes: readonly FakeScope[] = ['read', 'write', 'hooks', 'admin'],
    paths?: readonly string[]
  ): string {
    const text = `${this.kind}-token-${randomBytes(12).toString('hex')}`
    this.tokens.set(text, { user: this.user(login), scopes: new Set(scopes), paths })
    return text
  }

  find(path: string): FakeRepository | undefined {
    return this.repositories.get(path.toLowerCase())
  }

  /**
   * `/repos/OWNER/NAME` and what follows; below `/orgs/OWNER/actions/runners` the runners of all
   * that the owner has, which here are those of its first repository.
   */
  located(path: string): readonly [FakeRepository | undefined, string] {
    const [, owner, own = ''] = /^\/orgs\/([^/]+)(\/actions\/runners.*)$/.exec(path) ?? []
    const [, name = '', rest = ''] = /^\/repos\/([^/]+\/[^/]+)(.*)$/.exec(path) ?? []
    if (owner === undefined) return [this.find(decodeURIComponent(name)), rest]
    const first = [...this.repositories].find(([key]) => key.startsWith(`${owner}/`.toLowerCase()))
    return [first?.[1], own]
  }
}

/** One request to the API, parsed. */
export interface FakeRequest {
  readonly method: string
  /** Below the API's base, still encoded. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Readonly<Record<string, unknown>>
}

export interface FakeAnswer {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export type FakeHandler = (world: FakeWorld, request: FakeRequest) => Promise<FakeAnswer>

/** The part of a list that `page` and the size ask for, with the headers that tell of the rest. */
export function pageOf<Row>(
  rows: readonly Row[],
  query: URLSearchParams,
  options: { readonly size: string; readonly max: number; readonly url: string }
): { readonly rows: readonly Row[]; readonly headers: Record<string, string> } {
  const asked = Number(query.get(options.size) ?? 30)
  const size = Math.min(options.max, asked)
  const page = Number(query.get('page') ?? 1)
  const shown = rows.slice((page - 1) * size, page * size)
  const headers: Record<string, string> = {}
  if (page * size < rows.length) {
    const next = new URL(options.url)
    next.searchParams.set('page', String(page + 1))
    headers['link'] = `<${next.href}>; rel="next"`
  }
  return { rows: shown, headers }
}
