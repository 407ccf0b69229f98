import { MeshError } from '../../protocol/core/errors.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { StatePaths } from '../../protocol/host/paths.ts'
import { readPid } from '../../protocol/host/pid-lock.ts'
import type { AgentSettings } from '../config.ts'
import type { HealthLine } from '../control/contract.ts'
import { Engine } from '../execute/engine.ts'
import type { GpuPassage } from '../execute/gpu/gpu-passage.ts'
import { PassableGpus } from '../execute/gpu/passable-gpus.ts'
import type { HostGpus } from '../probe/gpu/host-gpus.ts'
import { checkEngine, ENGINE_MS_MAX } from './engine-checks.ts'
import { AS_OWNER, type Finding, note, ok, warning } from './finding.ts'
import { checkGpus } from './gpu-checks.ts'
import { checkProofs } from './proof-checks.ts'
import { checkAside, checkClock, checkDisk, checkKey, checkState } from './state-checks.ts'
import { checkRoster, checkStore, checkStoreInUse } from './store-checks.ts'

export interface DoctorParts {
  readonly paths: StatePaths
  /** What is wrong with the settings, where they cannot be read. */
  readonly settings: AgentSettings | Error
  readonly clock: Clock
  /**
   * What the daemon says of itself; undefined where none answers, CONTROL_FORBIDDEN where this user
   * may not ask.
   */
  readonly health: readonly HealthLine[] | MeshError | undefined
  readonly gpus: Pick<HostGpus, 'read' | 'close' | 'isNews' | 'reading'>
  readonly passage: GpuPassage
}

/** Looks at everything and changes nothing, beside a daemon or without one. */
export async function diagnose(parts: DoctorParts): Promise<readonly Finding[]> {
  const { paths, clock, health } = parts
  const state = await checkState(paths)
  if (state.some(({ verdict }) => verdict === 'failed')) return state
  const key = await checkKey(paths)
  const inUse = health !== undefined || (await isAlive(paths.pid))
  const store =
    inUse || key.peerId === undefined
      ? await checkStoreInUse(paths)
      : await checkStore(paths, key.peerId)
  const self = { peerId: key.peerId ?? '', storeId: store.storeId }
  return [
    ...state,
    ...key.findings,
    ...store.findings,
    ...(await checkAside(paths)),
    ...(await checkDisk(paths)),
    ...(key.peerId === undefined ? [] : await checkRoster(paths, self, clock)),
    ...(await checkEngine(parts.settings)),
    // A daemon has read them already, and its health lines say what is wrong with them.
    ...(health === undefined || health instanceof MeshError
      ? await checkGpus(passableGpus(parts, self))
      : []),
    ...(await checkProofs(paths)),
    ...agentFindings(health, inUse),
    ...(await checkClock(paths, clock.wallMs()))
  ]
}

/** By the engine of the settings, where those can be read. */
function passableGpus(
  { settings, gpus, passage }: DoctorParts,
  { peerId }: { readonly peerId: string }
): Pick<HostGpus, 'read' | 'close'> {
  if (settings instanceof Error) return gpus
  const engine = Engine.local(settings.engine, ENGINE_MS_MAX)
  return new PassableGpus({ host: gpus, engine, passage, peerId })
}

/** The daemon's own word: its guardian, its witnesses, its clock against others. */
function agentFindings(health: DoctorParts['health'], inUse: boolean): readonly Finding[] {
  if (health instanceof MeshError) {
    const facts = { found: health.message, wanted: 'one that answers', fix: AS_OWNER }
    return [warning('agent', health.code, facts)]
  }
  if (health === undefined) {
    const fix = inUse ? 'wait for it, or end that process' : 'run `agent start`'
    const found = inUse ? 'a process has the state, and does not answer' : 'no agent runs here'
    const facts = { found, wanted: 'one that answers', fix }
    return [inUse ? warning('agent', 'AGENT_SILENT', facts) : note('agent', 'AGENT_ABSENT', facts)]
  }
  if (health.length === 0)
    return [ok('agent', 'it runs, with its lifeline, and complains of nothing')]
  return health.map(({ code, message, fix }) => {
    return warning('agent', code, { found: message, wanted: 'no health line', fix })
  })
}

async function isAlive(pidFile: string): Promise<boolean> {
  const pid = await readPid(pidFile)
  if (pid === 'unknown') return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
