import { z } from 'zod'
import { MeshError } from '../../protocol/core/errors.ts'
import { NAME_CHARACTERS_MAX } from '../../protocol/core/limits.ts'
import type { RunOrigin } from '../../protocol/core/run.ts'

/** Characters of a ref, a pusher's name, a time: what git and people write fits several times. */
const REF_CHARACTERS_MAX = 1_024
const PUSHER_CHARACTERS_MAX = 256

// What git check-ref-format forbids, and what would break or turn round a line of a terminal. Lone
// surrogates have no UTF-8, so that an announcement could not hold them.
const REF = /^refs(\/(?!\.)[^\p{Cc}\p{Cs}\p{Bidi_Control} ~^:?*[\\/]+)+$/u
const PRINTABLE = /^[^\p{Cc}\p{Cs}\p{Bidi_Control}]*$/u
const COMMIT = /^([0-9a-f]{40}|[0-9a-f]{64})$/
const ABSENT = /^0+$/

const commitId = z.string().regex(COMMIT, 'a full commit id is needed')

/** The body that deploy/post-receive.mjs posts: one ref of one push (decision 6). */
export const gitPushSchema = z.looseObject({
  repository: z.string().min(1).max(NAME_CHARACTERS_MAX).regex(PRINTABLE).meta({
    description: 'Name of the repository as declared in gateway.yaml.'
  }),
  ref: z.string().max(REF_CHARACTERS_MAX).regex(REF, 'a full ref is needed').meta({
    description: 'Full ref, as in refs/heads/main.'
  }),
  before: commitId.meta({ description: 'Commit before the push; zeros for a new ref.' }),
  after: commitId.meta({ description: 'Commit after the push; zeros for a deleted ref.' }),
  pusher: z.string().max(PUSHER_CHARACTERS_MAX).regex(PRINTABLE).default(''),
  time: z.iso.datetime({ offset: true }).meta({ description: 'When the push was received.' })
})

/** One ref of one push. */
export interface GitPush {
  readonly repository: string
  readonly ref: string
  readonly before: string
  readonly after: string
  readonly pusher: string
  /** ISO 8601, by the forge's clock. */
  readonly time: string
}

/** The text that was signed. Throws BODY_INVALID: two broken byte strings could read the same. */
export function bodyText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new MeshError('BODY_INVALID', { problem: 'it is not UTF-8' }, { cause })
  }
}

/** The event that a body means. Throws BODY_INVALID. */
export function parseGitPush(text: string): GitPush {
  const parsed = gitPushSchema.safeParse(parseJson(text))
  if (!parsed.success) throw new MeshError('BODY_INVALID', { problem: firstIssue(parsed.error) })
  const { repository, ref, before, after, pusher, time } = parsed.data
  return { repository, ref, before, after, pusher, time }
}

/** Name of the branch, undefined for tags and every other ref. */
export function branchOf(push: Pick<GitPush, 'ref'>): string | undefined {
  return /^refs\/heads\/(.+)$/.exec(push.ref)?.[1]
}

export function isDeletion(push: Pick<GitPush, 'after'>): boolean {
  return ABSENT.test(push.after)
}

/** What the run is named after: the URL in gateway.yaml and the push's meaning, never its id. */
export function originOf(push: GitPush, url: string): RunOrigin {
  return {
    ...placeOf(url),
    event: 'push',
    ref: push.ref,
    commit: push.after,
    number: '',
    action: '',
    rerunNonce: ''
  }
}

/** True where a push is the same run by both URLs: only what a run is named after counts. */
export function isSameRepository(url: string, other: string): boolean {
  const [here, there] = [placeOf(url), placeOf(other)]
  return here.forgeHost === there.forgeHost && here.repositoryId === there.repositoryId
}

function placeOf(url: string): Pick<RunOrigin, 'forgeHost' | 'repositoryId'> {
  const { host, pathname } = new URL(url)
  return { forgeHost: host.toLowerCase(), repositoryId: pathname.replace(/\.git$/, '') }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new MeshError('BODY_INVALID', { problem: 'it is not JSON' }, { cause })
  }
}

function firstIssue(error: z.ZodError): string {
  const [issue] = error.issues
  const path = issue?.path.map(String).join('.') ?? ''
  return path === '' ? `${issue?.message}` : `${path}: ${issue?.message}`
}
