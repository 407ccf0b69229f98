import type { LocalImage } from './engine-types.ts'
import { type ImageConfigAnswer, imageConfig } from './image-config.ts'

/** The answer to `GET /images/{name}/json`, as far as it matters here. */
interface Answer {
  readonly Id: string
  readonly Os: string
  readonly Architecture: string
  readonly Variant?: string | undefined
  readonly RepoTags?: readonly string[] | null | undefined
  readonly RepoDigests?: readonly string[] | null | undefined
  readonly Config?: ImageConfigAnswer | null
}

export function localImage(found: Answer): LocalImage {
  const { Id: id, Os, Architecture, Variant, RepoTags, RepoDigests, Config } = found
  return {
    id,
    platform: [Os, Architecture, Variant].filter(Boolean).join('/'),
    tags: RepoTags ?? [],
    digests: RepoDigests ?? [],
    ...imageConfig(Config)
  }
}
