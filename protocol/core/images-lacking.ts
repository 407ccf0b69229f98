import { runsOn } from './platform.ts'
import type { Unmet } from './requirements.ts'
import type { JobSpec } from './run.ts'

/** An image of a registry, and all that it is there for. */
export interface ImagePlatforms {
  /** As jobs write it. */
  readonly image: string
  /** `os/arch[/variant]` each; never empty. */
  readonly platforms: readonly string[]
}

/** The requirement that no host can be set up for: the image is not there for the platform. */
export const IMAGE = 'image'

type Imaged = Pick<JobSpec, 'image' | 'services'>

/** The images of a job and of its services, each once. */
export function imagesOf({ image, services = [] }: Imaged): readonly string[] {
  return [...new Set([image, ...services.map((service) => service.image)])]
}

/** Whether code for `platform` is among what the image is there for. */
export function isThereFor(platform: string, platforms: readonly string[]): boolean {
  return platforms.some((each) => runsOn(each, platform))
}

/**
 * The images of a job that a host has found to be there for other platforms only. `platform` is
 * what the job would run on there. Of an image that nobody has asked for nothing is known, and
 * nothing is unmet.
 */
export function unmetImages(
  spec: Imaged,
  platform: string | undefined,
  lacking: readonly ImagePlatforms[] = []
): readonly Unmet[] {
  if (lacking.length === 0 || platform === undefined) return []
  return imagesOf(spec).flatMap((image) => {
    const found = lacking.find((each) => each.image === image)
    if (found === undefined || isThereFor(platform, found.platforms)) return []
    const offered = `only ${found.platforms.join(', ')}`
    return [{ requirement: IMAGE, wanted: `${image} for ${platform}`, offered }]
  })
}
