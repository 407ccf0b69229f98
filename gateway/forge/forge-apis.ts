import type { Clock } from '../../protocol/core/ports.ts'
import type { ForgeApi } from './forge-api.ts'
import type { CredentialHolder, ForgeCredentials } from './forge-credentials.ts'
import { ForgeHttp } from './forge-http.ts'
import { placeOf } from './forge-place.ts'
import { giteaApi } from './gitea-api.ts'
import { GITHUB_HEADERS, githubApi } from './github-api.ts'
import { gitlabApi } from './gitlab-api.ts'
import { TaggedAnswers } from './tagged-answers.ts'

export interface ForgeApisParts {
  readonly credentials: Pick<ForgeCredentials, 'authorization'>
  readonly clock: Clock
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
    const http = new ForgeHttp(
      {
        authorize: (signal) => credentials.authorization(holder, signal),
        clock,
        tagged: this.#tagged
      },
      { base: place.api, requestMs, headers }
    )
    const hookUrl = publicUrl === undefined ? undefined : `${publicUrl}/hooks/${forge}`
    if (forge === 'github') return githubApi(http, place, hookUrl)
    return forge === 'gitlab' ? gitlabApi(http, place) : giteaApi(http, place)
  }
}
