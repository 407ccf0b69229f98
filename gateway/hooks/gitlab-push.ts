import { z } from 'zod'
import { REFERENCE_CHARACTERS_MAX } from '../../protocol/core/limits.ts'
import type { NamedRepository } from './forge-hook.ts'
import { optionalText } from './forge-push.ts'
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

/** Characters of `group/subgroup/name`: GitLab has up to twenty levels of 255. */
const FULL_NAME_CHARACTERS_MAX = 1_024

/** GitLab's word for a repository, in the bodies of all its events that have one. */
export const projectSchema = z.looseObject({
  id: z.number().int().positive().meta({
    description: "GitLab's number of the project, which stays when it is renamed."
  }),
  path_with_namespace: z.string().min(1).max(FULL_NAME_CHARACTERS_MAX).regex(PRINTABLE).meta({
    description: 'group/name'
  }),
  git_http_url: optionalText(REFERENCE_CHARACTERS_MAX),
  git_ssh_url: optionalText(REFERENCE_CHARACTERS_MAX)
})

const userName = optionalText(PUSHER_CHARACTERS_MAX)

/** The body of a push event, as far as it is read; a tag's is the same but for `object_kind`. */
export const gitlabPushSchema = z.looseObject({
  object_kind: z.literal(['push', 'tag_push']),
  ref: refSchema,
  before: commitIdSchema.meta({ description: 'Commit before the push; zeros for a new ref.' }),
  after: commitIdSchema.meta({ description: 'Commit after the push; zeros for a deleted ref.' }),
  checkout_sha: commitIdSchema.nullish().catch(undefined).meta({
    description: 'The commit; of a tag with a message `after` is none.'
  }),
  project: projectSchema,
  user_username: userName,
  user_name: userName
})

/** The repository that a body of any event names, undefined where it names none. */
export function namedProject(body: unknown): NamedRepository | undefined {
  const parsed = z.looseObject({ project: projectSchema }).safeParse(body)
  if (!parsed.success) return undefined
  const { path_with_namespace: name, git_http_url: https, git_ssh_url: ssh } = parsed.data.project
  return { name, urls: [https, ssh].filter((url) => url !== undefined) }
}

/** What a push event means. Throws BODY_INVALID. */
export function gitlabPush(body: unknown): GitPush {
  const push = checkedBody(gitlabPushSchema, body)
  const { ref, before, after, project, user_username, user_name, checkout_sha: commit } = push
  return {
    repository: project.path_with_namespace,
    repositoryId: String(project.id),
    ref,
    before,
    after: isTag(ref) && !isDeletion({ after }) ? (commit ?? after) : after,
    pusher: user_username || user_name || '',
    time: ''
  }
}
