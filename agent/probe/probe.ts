import type { Engine } from '../execute/engine.ts'
import type { HostProfile, ProbeSettings } from './host-profile.ts'

/** Throws ENGINE_UNREACHABLE, ENGINE_REMOTE; everything else it finds is in `problems`. */
export function probeHost(_parts: {
  readonly engine: Engine
  readonly settings: ProbeSettings
}): Promise<HostProfile> {
  throw new Error('soon')
}
