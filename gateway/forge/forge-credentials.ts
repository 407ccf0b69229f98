import { MeshError } from '../../protocol/core/errors.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { SourceAccess } from '../../protocol/core/source-access.ts'
import type { GitAccess } from '../../protocol/host/git.ts'
import type { CredentialRecord, CredentialStore } from '../secrets/credential-store.ts'
import { type Authorization, ForgeHttp } from './forge-http.ts'
import { type ApiForge, placeOf } from './forge-place.ts'
import { GITHUB_HEADERS } from './github-api.ts'
import { appWord, InstallationTokens, type TokenUse } from './github-app.ts'
import { TaggedAnswers } from './tagged-answers.ts'

/** What of a declared repository its credential depends on. */
export interface CredentialHolder {
  readonly forge: ApiForge | 'git'
  readonly url: string
  /** Base of the API, where gateway.yaml says another than the usual one. */
  readonly api?: string | undefined
  /** Name of the credential in gateway.yaml. */
  readonly credential?: string | undefined
  /** Name of the one that agents get for the source, where that is another. */
  readonly checkout?: string | undefined
}

/** Whom git names beside a token, where the credential does not say. */
const USERS: Readonly<Record<ApiForge | 'git', string>> = {
  github: 'x-access-token',
  gitlab: 'oauth2',
  gitea: 'git',
  forgejo: 'git',
  git: 'git'
}

export interface ForgeCredentialsParts {
  readonly store: Pick<CredentialStore, 'find' | 'value'>
  readonly clock: Clock
}

/**
 * From the name in gateway.yaml to what a forge takes. Read anew for each request: a credential
 * that was replaced or removed counts at once. Every call rejects with CREDENTIAL_UNKNOWN,
 * CREDENTIAL_UNREADABLE, and as ForgeHttp does where a GitHub App must ask for a token.
 */
export class ForgeCredentials {
  readonly #parts: ForgeCredentialsParts
  readonly #installations: InstallationTokens

  constructor(parts: ForgeCredentialsParts) {
    this.#parts = parts
    this.#installations = new InstallationTokens(parts.clock)
  }

  /** Headers of requests to the API; none for who is a stranger there. */
  async authorization(holder: CredentialHolder, signal: AbortSignal): Promise<Authorization> {
    const token = await this.#token(holder, signal)
    if (token === undefined) return {}
    const isGitea = holder.forge === 'gitea' || holder.forge === 'forgejo'
    return { authorization: `${isGitea ? 'token' : 'Bearer'} ${token}` }
  }

  /** For git; undefined for who is a stranger there. */
  async access(holder: CredentialHolder, signal: AbortSignal): Promise<GitAccess | undefined> {
    if (holder.credential === undefined) return undefined
    const record = await this.#parts.store.find(holder.credential)
    if (record.kind === 'deploy-key') return { kind: 'key', key: await this.#value(record) }
    const token = await this.#token(holder, signal)
    if (token === undefined) return undefined
    const user = record.user ?? USERS[holder.forge]
    return { kind: 'password', url: holder.url, user, password: token }
  }

  /**
   * What an agent gets for the source of a job that it holds; undefined where there is nothing that
   * it may have. A deploy key and an App's token can be for reading alone; what another token may
   * do nobody here knows, so that one has to be named as `checkout`.
   */
  async source(holder: CredentialHolder, signal: AbortSignal): Promise<SourceAccess | undefined> {
    const name = holder.checkout ?? holder.credential
    if (name === undefined) return undefined
    const record = await this.#parts.store.find(name)
    const isSsh = holder.url.startsWith('ssh:')
    if (isSsh !== (record.kind === 'deploy-key')) return undefined
    if (record.kind === 'deploy-key') return { kind: 'key', key: await this.#value(record) }
    if (record.kind === 'token' && holder.checkout === undefined) return undefined
    const token =
      record.kind === 'token'
        ? await this.#value(record)
        : await this.#installation(holder, record, { use: 'source', signal })
    return { kind: 'password', user: record.user ?? USERS[holder.forge], password: token }
  }

  async #token(holder: CredentialHolder, signal: AbortSignal): Promise<string | undefined> {
    if (holder.credential === undefined) return undefined
    const record = await this.#parts.store.find(holder.credential)
    if (record.kind === 'token') return await this.#value(record)
    // A deploy key is for git over ssh: the API does not know it.
    if (record.kind === 'deploy-key') return undefined
    return await this.#installation(holder, record, { use: 'all', signal })
  }

  async #installation(
    { forge, url, api }: CredentialHolder,
    record: CredentialRecord,
    wanted: { readonly use: TokenUse; readonly signal: AbortSignal }
  ): Promise<string> {
    const { name, app } = record
    if (forge !== 'github' || app === undefined) {
      const problem = 'a GitHub App is for repositories with `forge: github`'
      throw new MeshError('CREDENTIAL_INVALID', { name, problem })
    }
    const place = placeOf(forge, url, api)
    const { clock } = this.#parts
    const authorize = async (): Promise<Authorization> => {
      const key = await this.#value(record)
      return { authorization: `Bearer ${appWord(app, key, clock.wallMs())}` }
    }
    const options = { base: place.api, headers: GITHUB_HEADERS }
    const http = new ForgeHttp({ authorize, clock, tagged: new TaggedAnswers() }, options)
    const who = `${name} v${record.version}`
    return await this.#installations.tokenFor(who, http, { path: place.path, ...wanted })
  }

  async #value(record: CredentialRecord): Promise<string> {
    const bytes = await this.#parts.store.value(record)
    try {
      return bytes.toString('utf8')
    } finally {
      bytes.fill(0)
    }
  }
}
