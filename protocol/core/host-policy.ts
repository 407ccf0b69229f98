import { matchesGlob } from './glob.ts'
import { type ImageName, imageNameOf } from './image-name.ts'
import { QUOTED_CHARACTERS_MAX } from './limits.ts'
import type { JobSpec, Manifest } from './run.ts'
import type { Trust } from './trust.ts'

/**
 * What the owner of a host lets run there, from its agent.yaml. A list that is empty lets
 * everything through; in all others one pattern must match. Patterns are those of `matchesGlob`.
 */
export interface HostPolicy {
  /** On the name that the gateway declares; those that hold `://`, on the URL that is fetched. */
  readonly repositories: readonly string[]
  /** On the full ref where they begin with `refs/`, else on the name of a branch. */
  readonly refs: readonly string[]
  readonly events: readonly string[]
  /** On who has pushed, as the forge says it. */
  readonly authors: readonly string[]
  /** On registry and repository in full, without tag: `docker.io/library/alpine`. */
  readonly images: readonly string[]
  /** On the registry alone. */
  readonly registries: readonly string[]
  /** Only images that are named by a digest. */
  readonly pinned: boolean
  /** Only what the gateway has signed as trusted: no forks, no branches of strangers. */
  readonly trustedOnly: boolean
}

/** Where a job comes from, by its gateway's signature. */
export interface JobOrigin {
  readonly repository: string
  readonly url: string
  readonly event: string
  /** Full ref. */
  readonly ref: string
  readonly author: string
}

/** What a policy is asked about. */
export interface PolicyQuestion {
  readonly spec: Pick<JobSpec, 'image' | 'services'>
  readonly trust: Trust
  readonly origin: JobOrigin
}

export function jobOriginOf({ origin, repository, url, pusher }: Manifest): JobOrigin {
  return { repository, url, event: origin.event, ref: origin.ref, author: pusher }
}

/** What the owner does not take of this job, each for people: `repository team/kernel`. */
export function refusalsOf(job: PolicyQuestion, policy: HostPolicy): readonly string[] {
  const { origin, trust, spec } = job
  const refused: string[] = []
  if (!takesRepository(policy.repositories, origin)) {
    refused.push(`repository ${quoted(origin.repository)}`)
  }
  if (!takesRef(policy.refs, origin.ref)) refused.push(`ref ${quoted(origin.ref)}`)
  if (!takes(policy.events, origin.event)) refused.push(`event ${quoted(origin.event)}`)
  if (!takes(policy.authors, origin.author)) {
    refused.push(origin.author === '' ? 'pushes without an author' : author(origin.author))
  }
  if (policy.trustedOnly && trust !== 'trusted') refused.push('untrusted runs')
  // What runs beside the job runs here as well.
  const images = [spec.image, ...(spec.services ?? []).map(({ image }) => image)]
  return [...new Set([...refused, ...images.flatMap((image) => imageRefusals(image, policy))])]
}

function takesRepository(patterns: readonly string[], { repository, url }: JobOrigin): boolean {
  if (patterns.length === 0) return true
  const whole = plainUrl(url)
  return patterns.some((pattern) => {
    if (!pattern.includes('://')) return matchesGlob(pattern, repository)
    return whole !== undefined && matchesGlob(pattern, whole)
  })
}

// What fetches a URL resolves such parts of it: another place than the pattern has seen.
function plainUrl(url: string): string | undefined {
  return /[\\%?#\s]|\/\.{1,2}(?:\/|$)/.test(url) ? undefined : url
}

const BRANCH = /^refs\/heads\/(.+)$/

function takesRef(patterns: readonly string[], ref: string): boolean {
  if (patterns.length === 0) return true
  const branch = BRANCH.exec(ref)?.[1]
  return patterns.some((pattern) => {
    if (pattern.startsWith('refs/')) return matchesGlob(pattern, ref)
    return branch !== undefined && matchesGlob(pattern, branch)
  })
}

function imageRefusals(image: string, policy: HostPolicy): readonly string[] {
  const { images, registries, pinned } = policy
  if (images.length === 0 && registries.length === 0 && !pinned) return []
  const name = imageNameOf(image)
  if (name === undefined) return [`image ${quoted(image)}`]
  const refused: string[] = []
  if (!takes(registries, name.registry)) refused.push(`registry ${quoted(name.registry)}`)
  else if (!takes(images, inFull(name))) refused.push(`image ${quoted(inFull(name))}`)
  if (pinned && !name.isPinned) refused.push('images without a digest')
  return refused
}

function inFull({ registry, repository }: ImageName): string {
  return `${registry}/${repository}`
}

function takes(patterns: readonly string[], name: string): boolean {
  return patterns.length === 0 || patterns.some((pattern) => matchesGlob(pattern, name))
}

function author(name: string): string {
  return `author ${quoted(name)}`
}

function quoted(text: string): string {
  const characters = [...text]
  if (characters.length <= QUOTED_CHARACTERS_MAX) return text
  return `${characters.slice(0, QUOTED_CHARACTERS_MAX).join('')}...`
}
