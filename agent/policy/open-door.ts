import { HostDoor, type HostDoorParts } from './host-door.ts'
import { readLoad } from './load-reading.ts'
import { loadLimitsOf, type PolicySettings } from './policy-settings.ts'
import { zoneTime } from './zone-time.ts'

/** The door of this host, by its owner's settings. */
export function openDoor(
  parts: Pick<HostDoorParts, 'clock' | 'log'>,
  settings: PolicySettings
): HostDoor {
  const { hours, zone } = settings
  const localTime = zoneTime(zone ?? 'UTC')
  return new HostDoor(
    { ...parts, localTime, readLoad },
    { hours, zone, load: loadLimitsOf(settings) }
  )
}
