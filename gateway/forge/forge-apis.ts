import type { Clock } from '../../protocol/core/ports.ts'
import type { ForgeResult, GatewayCounts } from '../metrics/event-metrics.ts'
import type { ForgeApi, ForgePlace } from './forge-api.ts'
import type { CredentialHolder, ForgeCredentials } from './forge-credentials.ts'
import { ForgeHttp } from './forge-http.ts'
import { placeOf, rootOf } from './forge-place.ts'
import { forgejoRunners } from './forgejo-runners.ts'
import { giteaApi } from './gitea-api.ts'
import { giteaRunners } from './gitea-runners.ts'
import { GITHUB_HEADERS, githubApi } from './github-api.ts'
import { githubRunners } from './github-runners.ts'
import { gitlabApi } from './gitlab-api.ts'
import type { RunnerApi } from './runner-api.ts'
import { TaggedAnswers } from './tagged-answers.ts'

export interface ForgeApisParts {
  readonly credentials: Pick<ForgeCredentials, 'authorization'>
  readonly clock: Clock
  /** Told of each call to a forge and what came of it. */
  readonly onResult?: GatewayCounts['forge'] | undefined
}

export interface ForgeApisOptions {
  readonly requestMs?: number | undefined
  /** Where the gateway is reached from outside, without a slash at its end. */
  readonly publicUrl?: string | undefined
}

/** The API of each declared repository; undefined for bare Git, which has none. */
export class ForgeApis {
  readonly #parts: ForgeApisParts
  readonly #options: ForgeApisOptions
  readonly #tagged = new TaggedAnswers()

  constructor(parts: ForgeApisParts, options: ForgeApisOptions = {}) {
    this.#parts = parts
    this.#options = options
  }

  of(holder: CredentialHolder): ForgeApi | undefined {
    const { forge, url, api } = holder
    if (forge === 'git') return undefined
    const { credentials, clock } = this.#parts
    const { requestMs, publicUrl } = this.#options
    const place = placeOf(forge, url, api)
    const headers = forge === 'github' ? GITHUB_HEADERS : undefined
    const onResult = (result: ForgeResult): void => this.#parts.onResult?.(forge, result)
    const authorize = (signal: AbortSignal) => credentials.authorization(holder, signal)
    const http = new ForgeHttp(
      { authorize, clock, tagged: this.#tagged, onResult },
      { base: place.api, requestMs, headers }
    )
    const hookUrl = publicUrl === undefined ? undefined : `${publicUrl}/hooks/${forge}`
    if (forge === 'github') {
      return { ...githubApi(http, place, hookUrl), runners: githubRunners(http, place) }
    }
    if (forge === 'gitlab') return gitlabApi(http, place, hookUrl)
    const runners =
      forge === 'gitea' ? this.#giteaRunners(http, place) : forgejoRunners(http, place)
    return { ...giteaApi(http, place), runners }
  }

  /** Its runners speak a protocol of their own, and show who they are in each message. */
  #giteaRunners(http: ForgeHttp, place: ForgePlace): RunnerApi {
    const { clock } = this.#parts
    const { requestMs } = this.#options
    const base = `${rootOf(place)}/api/actions`
    const headers = { 'connect-protocol-version': '1' }
    const parts = { authorize: async () => ({}), clock, tagged: this.#tagged }
    return giteaRunners(http, new ForgeHttp(parts, { base, requestMs, headers }), place)
  }
}
