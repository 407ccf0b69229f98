import { MeshError } from '../../protocol/core/errors.ts'
import type { DeclaredRepository, ForgeFacts, PullRequestFacts } from '../ports.ts'
import type { Repository } from '../repositories.ts'
import type { ForgeApis } from './forge-apis.ts'

export interface DeclaredFactsParts {
  readonly repositories: { find(name: string): Repository | undefined }
  readonly apis: Pick<ForgeApis, 'of'>
}

/** What forges say of pull requests of declared repositories. */
export class DeclaredFacts implements ForgeFacts {
  readonly #parts: DeclaredFactsParts

  constructor(parts: DeclaredFactsParts) {
    this.#parts = parts
  }

  /** Rejects as ForgeApi does, and with REPOSITORY_ABSENT. */
  async pullRequest(
    { name: repository }: DeclaredRepository,
    number: number,
    signal: AbortSignal
  ): Promise<PullRequestFacts> {
    const declared = this.#parts.repositories.find(repository)
    const api = declared === undefined ? undefined : this.#parts.apis.of(declared)
    if (api === undefined) throw new MeshError('REPOSITORY_ABSENT', { repository })
    return await api.pullRequest(number, signal)
  }
}
