import { hubFree } from '../../protocol/core/registry-login.ts'
import type { LocalImage } from './engine-types.ts'

const PULLED = 'runner-mesh-pulled'
/** Hex digits of an image's id in its name: two images with the same ones do not occur. */
const NAME_DIGITS = 24
const DIGEST = /@sha256:[0-9a-f]{64}$/
const TAG = /:\w[\w.-]*$/

/** All images that the agent of this name has pulled and named. */
export function pulledBy(owner: string): string {
  return `${PULLED}/${owner}`
}

/** Of one of them: agents that share an engine have each their own. */
export function pulledTag(imageId: string): string {
  return imageId.replace(/^sha256:/, '').slice(0, NAME_DIGITS)
}

/** True for a name that agents give: a job that names it would have what others' logins pulled. */
export function isPulledName(name: string): boolean {
  return hubFree(name).startsWith(`${PULLED}/`)
}

/** True where somebody has given the image a name, other than agents for what they pulled. */
export function hasOwnersName({ tags }: LocalImage): boolean {
  return tags.some((tag) => !isPulledName(tag))
}

/**
 * True where the image is called so. An engine takes a part of an id for a name as well, and with
 * it any image that is here.
 */
export function isCalled({ tags, digests }: LocalImage, reference: string): boolean {
  const bare = hubFree(reference)
  const digest = DIGEST.exec(bare)?.[0]
  if (digest === undefined) return tags.includes(TAG.test(bare) ? bare : `${bare}:latest`)
  const name = bare.slice(0, -digest.length).replace(TAG, '')
  return digests.includes(name + digest)
}
