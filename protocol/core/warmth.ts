import { WARM_KEY_DIGITS, WARM_KEYS_MAX } from './placement-limits.ts'
import type { TextDigest } from './ports.ts'
import type { JobSpec } from './run.ts'

/** What a host would have at hand for a job, as agents say it in their advertisements. */
export interface WarmKeys {
  /** Of the image of the job, and of those of its services. */
  readonly images: readonly string[]
  readonly repository: string
}

type Imaged = Pick<JobSpec, 'image' | 'services'>

/** Eight bytes of a digest each: a list of names would be ten times as long. */
export function warmKeysOf({ image, services }: Imaged, repository: string, digest: TextDigest) {
  const all = [image, ...(services ?? []).map((service) => service.image)]
  const keyOf = (text: string): string => digest.text(text).slice(0, WARM_KEY_DIGITS)
  return {
    images: [...new Set(all)].map((name) => keyOf(`image ${name}`)),
    repository: keyOf(`repository ${repository}`)
  } satisfies WarmKeys
}

/** What a host has at hand by its images alone, the latest first. */
export function warmImages(names: readonly string[], digest: TextDigest): readonly string[] {
  const keys = names.map((image) => warmKeysOf({ image }, '', digest).images[0] ?? '')
  return [...new Set(keys)].slice(0, WARM_KEYS_MAX)
}

/** What a host has at hand after a job with these keys, the latest first; the oldest fall out. */
export function warmedBy(before: readonly string[], { images, repository }: WarmKeys) {
  const fresh = [repository, ...images]
  const kept = before.filter((key) => !fresh.includes(key))
  return [...fresh, ...kept].slice(0, WARM_KEYS_MAX)
}
