import { z } from 'zod'
import { MeshError } from '../../protocol/core/errors.ts'
import { NAME_CHARACTERS_MAX } from '../../protocol/core/limits.ts'
import type { HookEvent } from './forge-hook.ts'

/** Characters of a ref, a pusher's name, a time: what git and people write fits several times. */
const REF_CHARACTERS_MAX = 1_024
export const PUSHER_CHARACTERS_MAX = 256

// What git check-ref-format forbids, and what would break or turn round a line of a terminal. Lone
// surrogates have no UTF-8, so that an announcement could not hold them.
const REF = /^refs(\/(?!\.)[^\p{Cc}\p{Cs}\p{Bidi_Control} ~^:?*[\\/]+)+$/u
export const PRINTABLE = /^[^\p{Cc}\p{Cs}\p{Bidi_Control}]*$/u
const COMMIT = /^([0-9a-f]{40}|[0-9a-f]{64})$/
const ABSENT = /^0+$/

export const commitIdSchema = z.string().regex(COMMIT, 'a full commit id is needed')

export const refSchema = z
  .string()
  .max(REF_CHARACTERS_MAX)
  .regex(REF, 'a full ref is needed')
  .meta({
    description: 'Full ref, as in refs/heads/main.'
  })

/** True for a full ref that git can have, which is no option and no pattern. */
export function isRef(text: string): boolean {
  return refSchema.safeParse(text).success
}

/** The body that deploy/post-receive.mjs posts: one ref of one push (decision 6). */
export const gitPushSchema = z.looseObject({
  repository: z.string().min(1).max(NAME_CHARACTERS_MAX).regex(PRINTABLE).meta({
    description: 'Name of the repository as declared in gateway.yaml.'
  }),
  ref: refSchema,
  before: commitIdSchema.meta({ description: 'Commit before the push; zeros for a new ref.' }),
  after: commitIdSchema.meta({
    description:
      'Commit after the push, of a tag the one that it leads to; zeros for a deleted ref.'
  }),
  pusher: z.string().max(PUSHER_CHARACTERS_MAX).regex(PRINTABLE).default(''),
  time: z.iso.datetime({ offset: true }).meta({ description: 'When the push was received.' })
})

/** One ref of one push. */
export interface GitPush {
  /** As its forge names it. */
  readonly repository: string
  /** The forge's number of it; absent for bare Git, where the URL is all there is. */
  readonly repositoryId?: string
  readonly ref: string
  readonly before: string
  readonly after: string
  readonly pusher: string
  /** ISO 8601, by the forge's clock; '' where it does not say. */
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
  const { repository, ref, before, after, pusher, time } = checkedBody(
    gitPushSchema,
    parseJson(text)
  )
  return { repository, ref, before, after, pusher, time }
}

/** Throws BODY_INVALID, naming the first field that is wrong. */
export function checkedBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body)
  if (!parsed.success) throw new MeshError('BODY_INVALID', { problem: firstIssue(parsed.error) })
  return parsed.data
}

/** What a push of one ref means. */
export function meaningOfPush(push: GitPush): HookEvent {
  if (push.ref.startsWith('refs/heads/')) return { kind: 'event', event: { ...push, kind: 'push' } }
  if (isTag(push.ref)) return { kind: 'event', event: { ...push, kind: 'tag' } }
  return { kind: 'ignored', reason: `${push.ref} is neither a branch nor a tag` }
}

export function isTag(ref: string): boolean {
  return ref.startsWith('refs/tags/')
}

export function isDeletion(push: Pick<GitPush, 'after'>): boolean {
  return ABSENT.test(push.after)
}

export function parseJson(text: string): unknown {
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
