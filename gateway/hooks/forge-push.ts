import { z } from 'zod'
import { REFERENCE_CHARACTERS_MAX } from '../../protocol/core/limits.ts'
import type { NamedRepository } from './forge-hook.ts'
import {
  checkedBody,
  commitIdSchema,
  type GitPush,
  isDeletion,
  isTag,
  PRINTABLE,
  PUSHER_CHARACTERS_MAX,
  refSchema
} from './git-push.ts'

/** Characters of `owner/name`: GitHub allows 39 and 100. */
const FULL_NAME_CHARACTERS_MAX = 256

/** A field that is shown or looked up, never needed: what is wrong with it must lose no push. */
export const optionalText = (charactersMax: number) =>
  z.string().max(charactersMax).regex(PRINTABLE).optional().catch(undefined)

/** The part of `repository` that Gitea, Forgejo and GitHub have in common. */
export const forgeRepositorySchema = z.looseObject({
  id: z.number().int().positive().meta({
    description: "The forge's number of the repository, which stays when it is renamed."
  }),
  full_name: z.string().min(1).max(FULL_NAME_CHARACTERS_MAX).regex(PRINTABLE).meta({
    description: 'owner/name'
  }),
  clone_url: optionalText(REFERENCE_CHARACTERS_MAX),
  ssh_url: optionalText(REFERENCE_CHARACTERS_MAX)
})

const pusherName = optionalText(PUSHER_CHARACTERS_MAX)

/** The body of a push event, as far as it is read; all else in it is left alone. */
export const forgePushSchema = z.looseObject({
  ref: refSchema,
  before: commitIdSchema.meta({ description: 'Commit before the push; zeros for a new ref.' }),
  after: commitIdSchema.meta({ description: 'Commit after the push; zeros for a deleted ref.' }),
  repository: forgeRepositorySchema,
  pusher: z
    .looseObject({ login: pusherName, username: pusherName, name: pusherName })
    .optional()
    .catch(undefined)
    .meta({ description: 'Who pushed: `login` of Gitea and Forgejo, `name` of GitHub.' }),
  head_commit: z
    .looseObject({ id: commitIdSchema })
    .nullish()
    .catch(undefined)
    .meta({ description: 'The newest commit; of a tag with a message `after` is no commit.' })
})

/** The repository that a body of any event names, undefined where it names none. */
export function namedRepository(body: unknown): NamedRepository | undefined {
  const parsed = z.looseObject({ repository: forgeRepositorySchema }).safeParse(body)
  if (!parsed.success) return undefined
  const { full_name: name, clone_url: https, ssh_url: ssh } = parsed.data.repository
  return { name, urls: [https, ssh].filter((url) => url !== undefined) }
}

/** What a push event means. Throws BODY_INVALID. */
export function forgePush(body: unknown): GitPush {
  const {
    ref,
    before,
    after,
    repository,
    pusher,
    head_commit: head
  } = checkedBody(forgePushSchema, body)
  return {
    repository: repository.full_name,
    repositoryId: String(repository.id),
    ref,
    before,
    after: isTag(ref) && !isDeletion({ after }) ? (head?.id ?? after) : after,
    pusher: pusher?.login || pusher?.username || pusher?.name || '',
    time: ''
  }
}
