import type { Clock } from '../../protocol/core/ports.ts'
import type { SourceAccess } from '../../protocol/core/source-access.ts'
import type { GitAccess } from '../../protocol/host/git.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { GatewayCounts } from '../metrics/event-metrics.ts'
import type { RepositoryRef } from '../ports.ts'
import type { Repositories } from '../repositories.ts'
import { type CredentialFiles, CredentialStore } from '../secrets/credential-store.ts'
import { ForgeApis } from './forge-apis.ts'
import { ForgeCredentials } from './forge-credentials.ts'
import { DeclaredFacts } from './forge-facts.ts'
import { RepositoryNumbers } from './repository-numbers.ts'

export interface ForgeRoomParts {
  readonly repositories: Repositories
  readonly clock: Clock
  readonly log: Log
  /** Told of each call to a forge and what came of it. */
  readonly onResult?: GatewayCounts['forge'] | undefined
}

export interface ForgeRoomOptions {
  readonly files: CredentialFiles
  readonly publicUrl?: string | undefined
}

/** What this gateway asks of Git servers, put together: as whom, and by which API. */
export class ForgeRoom {
  readonly apis: ForgeApis
  readonly facts: DeclaredFacts
  readonly numbers: RepositoryNumbers
  readonly #repositories: Repositories
  readonly #credentials: ForgeCredentials

  constructor(
    { repositories, clock, log, onResult }: ForgeRoomParts,
    { files, publicUrl }: ForgeRoomOptions
  ) {
    this.#repositories = repositories
    this.#credentials = new ForgeCredentials({ store: new CredentialStore(files), clock })
    this.apis = new ForgeApis({ credentials: this.#credentials, clock, onResult }, { publicUrl })
    this.numbers = new RepositoryNumbers({ apis: this.apis, clock, log })
    this.facts = new DeclaredFacts({ repositories, apis: this.apis })
  }

  /** By what git gets at it; what is not declared as it stands here is a stranger's. */
  readonly access = async (
    { name, url }: RepositoryRef,
    signal: AbortSignal
  ): Promise<GitAccess | undefined> => {
    const declared = this.#repositories.find(name)
    if (declared === undefined || declared.url !== url) return undefined
    return await this.#credentials.access(declared, signal)
  }

  /** By what an agent gets at the source of a run of it; likewise. */
  readonly source = async (
    { name, url }: RepositoryRef,
    signal: AbortSignal
  ): Promise<SourceAccess | undefined> => {
    const declared = this.#repositories.find(name)
    if (declared === undefined || declared.url !== url) return undefined
    return await this.#credentials.source(declared, signal)
  }
}
