import { IMAGE_PLATFORMS_MAX, IMAGES_LACKING_MAX } from '../core/image-limits.ts'
import type { ImagePlatforms } from '../core/images-lacking.ts'
import { IMAGE_CHARACTERS_MAX, NAME_CHARACTERS_MAX } from '../core/limits.ts'
import { line, list, refuse } from './fields.ts'
import type * as wire from './generated/gossip.ts'

/* Images that an agent has found to be there for other platforms: field 40 of an advertisement. */

/** Most elements of each one's list, refused while it is read. */
export const IMAGES_LACKING_LIMITS = { platforms: IMAGE_PLATFORMS_MAX }

export function imagesLackingToWire(lacking: readonly ImagePlatforms[] = []) {
  return list(checked(lacking), IMAGES_LACKING_MAX, 'imagesLacking', imageOf)
}

/** Absent is none: agents of before have asked nobody. */
export function imagesLackingFromWire(lacking: readonly wire.ImagePlatforms[]): {
  readonly imagesLacking?: readonly ImagePlatforms[]
} {
  if (lacking.length === 0) return {}
  return { imagesLacking: checked(list(lacking, IMAGES_LACKING_MAX, 'imagesLacking', imageOf)) }
}

function imageOf({ image, platforms }: ImagePlatforms | wire.ImagePlatforms) {
  const name = (text: string): string => line(text, NAME_CHARACTERS_MAX, 'platforms')
  return {
    image: line(image, IMAGE_CHARACTERS_MAX, 'image'),
    platforms: list(platforms, IMAGE_PLATFORMS_MAX, 'platforms', name)
  }
}

function checked(lacking: readonly ImagePlatforms[]): readonly ImagePlatforms[] {
  const isTwice = new Set(lacking.map(({ image }) => image)).size < lacking.length
  if (isTwice) return refuse('imagesLacking', 'names an image twice')
  // One that is there for nothing would say of its registry what nobody has found.
  const isBare = lacking.some(({ platforms }) => platforms.length === 0)
  return isBare ? refuse('imagesLacking', 'has an image without platforms') : lacking
}
