import type { HostLoad, LoadLimits } from '../../protocol/core/host-load.ts'
import { HostDoor, type HostDoorParts } from './host-door.ts'
import { readLoad } from './load-reading.ts'
import { readPids } from './pids-reading.ts'
import { loadLimitsOf, type PolicySettings } from './policy-settings.ts'
import { zoneTime } from './zone-time.ts'

const NO_LIMITS: LoadLimits = { perCore: undefined, freeMemoryBytes: undefined }
/** In place of what nobody has set a limit for: a host must not close for what it cannot read. */
const QUIET: HostLoad = { average: 0, cores: 1, availableBytes: 0, totalBytes: 0 }

/** The door of this host, by its owner's settings, with the memory that is to stay for it. */
export function openDoor(
  parts: Pick<HostDoorParts, 'clock' | 'log'>,
  settings: PolicySettings,
  reserveBytes?: number
): HostDoor {
  const { hours, zone } = settings
  const localTime = zoneTime(zone ?? 'UTC')
  const load = loadLimitsOf(settings, reserveBytes)
  const busy = (): HostLoad => ({ ...(load === undefined ? QUIET : readLoad()), pids: readPids() })
  return new HostDoor(
    { ...parts, localTime, readLoad: busy },
    { hours, zone, load: { ...(load ?? NO_LIMITS), sparePids: true } }
  )
}
