import type { Clock } from '../protocol/core/ports.ts'
import { diskSpaceOf } from '../protocol/host/disk-space.ts'
import type { Log } from '../protocol/host/log.ts'
import type { AgentSettings } from './config.ts'
import type { Engine } from './execute/engine.ts'
import { ImageLooks } from './execute/image-looks.ts'
import { ImageSweep } from './execute/image-sweep.ts'
import { Images } from './execute/images.ts'
import { peerSuffix } from './execute/peer-suffix.ts'
import { PulledImages } from './execute/pulled-images.ts'
import { readLogins } from './registry-logins.ts'

export interface ImageParts {
  readonly engine: Engine
  readonly clock: Clock
  readonly log: Log
  readonly settings: AgentSettings
  readonly peerId: string
  /** File of what was pulled. */
  readonly path: string
  /** Folder that the engine keeps images in. */
  readonly rootDir: string
}

export async function openImages({ engine, clock, log, settings, ...rest }: ImageParts) {
  const pulled = await PulledImages.open({ clock, log }, rest.path)
  const logins = await readLogins(settings.images.logins)
  const options = { pull: settings.images.pull, owner: peerSuffix(rest.peerId), logins }
  const images = new Images({ engine, pulled }, options)
  const disk = () => diskSpaceOf(rest.rootDir)
  const sweep = new ImageSweep({ images, pulled, disk, clock, log }, settings.images)
  const looks = new ImageLooks({ engine, images, clock }, { pull: settings.images.pull, logins })
  return { images, looks, sweep }
}
