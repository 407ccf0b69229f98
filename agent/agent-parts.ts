import type { MeshError } from '../protocol/core/errors.ts'
import type { Clock } from '../protocol/core/ports.ts'
import type { DiskWatch } from '../protocol/host/disk-watch.ts'
import type { Log } from '../protocol/host/log.ts'
import type { StatePaths } from '../protocol/host/paths.ts'
import type { InviteBook } from '../protocol/mesh/invite-book.ts'
import type { RosterBook } from '../protocol/mesh/roster-book.ts'
import type { MeshStore } from '../protocol/store/mesh-store.ts'
import type { MeshKey } from '../protocol/wire/keys.ts'
import type { AgentSettings } from './config.ts'
import type { Engine } from './execute/engine.ts'
import { Lifeline } from './lifeline/lifeline.ts'
import type { HostProfile } from './probe/host-profile.ts'

export interface AgentParts {
  readonly paths: StatePaths
  readonly settings: AgentSettings
  readonly log: Log
  readonly key: MeshKey
  readonly store: MeshStore
  readonly engine: Engine
  readonly host: HostProfile
  readonly book: RosterBook
  readonly invites: InviteBook
  readonly clock: Clock
  readonly disk: DiskWatch
  /** Called once when nothing may be promised any more: the process must end. */
  readonly onFailure: (error: MeshError) => void
}

/** A health line with its way out. */
interface HostLine {
  readonly code: string
  readonly message: string
  readonly fix: string
}

/** What is wrong with the host itself, as health lines. */
export function hostProblems({ disk, host }: AgentParts): readonly HostLine[] {
  const lines = host.problems.map(({ part, found, fix }) => {
    return { code: `HOST_${part.toUpperCase()}`, message: `${part}: ${found}`, fix }
  })
  const { problem } = disk
  if (problem === undefined) return lines
  const fix = 'make room on the disk of the state folder'
  return [{ code: problem.code, message: problem.message, fix }, ...lines]
}

export function lifelineOf({
  paths,
  settings,
  log,
  key,
  store,
  engine,
  clock
}: AgentParts): Lifeline {
  const { peerId } = key
  return new Lifeline(
    { clock, log },
    {
      state: paths.state,
      mode: settings.lifeline,
      charge: { peerId, storeId: store.storeId, leases: paths.leases, engine: engine.socket }
    }
  )
}
