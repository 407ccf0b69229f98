import type { Clock } from '../../protocol/core/ports.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { JobVoice } from './egress/journal.ts'
import type { Engine } from './engine.ts'
import type { LocalImage } from './engine-types.ts'
import type { Ground } from './ground.ts'
import type { Images } from './images.ts'
import type { Sandbox } from './sandbox.ts'
import type { Workspace } from './workspace.ts'

/** What one attempt is run with: its host's, and what is made for it alone. */
export interface AttemptParts {
  readonly engine: Engine
  readonly images: Images
  readonly clock: Clock
  readonly log: Log
  readonly workspace: Workspace
  readonly agent: string
  readonly containerName: string
  readonly termGraceMs: number
  readonly cleanUpMsMax: number
  readonly ground: () => Promise<Ground>
  /** `services` by their names; `runsIn` is the runtime of the container that is there already. */
  readonly sandboxOf: (
    image: LocalImage,
    ground: Ground,
    voice: JobVoice,
    services: ReadonlyMap<string, LocalImage>,
    runsIn?: string
  ) => Sandbox
  /** The name of the container of one of its services. */
  readonly serviceContainer: (service: string) => string
  /** Told of what went wrong with the box, before the attempt ends by it. */
  readonly onFailure?: ((error: unknown) => void) | undefined
  /** Resolves once no container of this claim is left, whoever made it. Throws SANDBOX_FAILED. */
  readonly clear: () => Promise<void>
}
