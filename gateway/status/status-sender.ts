import { MeshError } from '../../protocol/core/errors.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { ForgeApis } from '../forge/forge-apis.ts'
import type { Repository } from '../repositories.ts'
import { postCallback } from './callback.ts'
import type { StatusSender } from './outbox.ts'
import type { Told } from './told.ts'

export interface DeclaredSenderParts {
  readonly repositories: { find(name: string): Repository | undefined }
  readonly apis: Pick<ForgeApis, 'of'>
  readonly clock: Clock
}

/** How a repository is told: by statuses of its forge, by its callback, or not at all. */
export function channelOf(repository: Repository): Told['channel'] | undefined {
  if (repository.callback !== undefined) return 'callback'
  return repository.forge !== 'git' && repository.credential !== undefined ? 'status' : undefined
}

/** Tells the forges and callbacks of declared repositories. */
export class DeclaredSender implements StatusSender {
  readonly #parts: DeclaredSenderParts

  constructor(parts: DeclaredSenderParts) {
    this.#parts = parts
  }

  hostOf(told: Told): string | undefined {
    const repository = this.#declared(told)
    if (repository?.callback !== undefined) return new URL(repository.callback.url).host
    return repository === undefined ? undefined : this.#parts.apis.of(repository)?.host
  }

  async send(told: Told, signal: AbortSignal): Promise<void> {
    const repository = this.#declared(told)
    if (repository?.callback !== undefined) {
      return await postCallback(repository.callback, told, this.#parts.clock, signal)
    }
    const api = repository === undefined ? undefined : this.#parts.apis.of(repository)
    if (api === undefined) {
      throw new MeshError('REPOSITORY_ABSENT', { repository: told.repository })
    }
    const { commit, ref, context, state, description, targetUrl } = told
    await api.postStatus({ commit, ref, context, state, description, targetUrl }, signal)
  }

  /** As long as it is told in the way that it was when this was taken. */
  #declared({ repository: name, channel }: Told): Repository | undefined {
    const repository = this.#parts.repositories.find(name)
    return repository !== undefined && channelOf(repository) === channel ? repository : undefined
  }
}
