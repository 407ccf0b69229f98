import type { LocalImage } from './engine-types.ts'

/** The answer to `GET /images/{name}/json`, as far as it matters here. */
interface Answer {
  readonly Id: string
  readonly Os: string
  readonly Architecture: string
  readonly Variant?: string | undefined
  readonly RepoTags?: readonly string[] | null | undefined
  readonly RepoDigests?: readonly string[] | null | undefined
  readonly Config?: { readonly User?: string; readonly Volumes?: object | null | undefined } | null
}

export function localImage(found: Answer): LocalImage {
  const { Id: id, Os, Architecture, Variant, RepoTags, RepoDigests, Config } = found
  return {
    id,
    platform: [Os, Architecture, Variant].filter(Boolean).join('/'),
    user: Config?.User ?? '',
    volumes: Object.keys(Config?.Volumes ?? {}),
    tags: RepoTags ?? [],
    digests: RepoDigests ?? []
  }
}
