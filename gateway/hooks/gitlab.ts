import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { type ForgeHook, type HookEvent, headerOf } from './forge-hook.ts'
import { meaningOfPush, parseJson } from './git-push.ts'
import { gitlabMergeRequest } from './gitlab-merge-request.ts'
import { gitlabPush, gitlabPushSchema, namedProject } from './gitlab-push.ts'
import { checkVouched, gitlabSecretOf, TOKEN_HEADER } from './gitlab-secret.ts'

const EVENT_HEADER = 'X-Gitlab-Event'

/** Bytes of a new secret token. */
const SECRET_BYTES = 32

/** `Push Hook`, `Tag Push Hook`, `Merge Request Hook`; anything else is not shown. */
const EVENT = /^([A-Z][a-z]{0,31}(?: [A-Z][a-z]{0,31}){0,3}) Hook$/

const PUSHES = ['push', 'tag_push']

const described = (description: string) => z.string().meta({ description })
const optional = (description: string) => described(description).optional()

/** GitLab. A tag's push is an event of its own, with a push's body. */
export const gitlabHook: ForgeHook = {
  forge: 'gitlab',
  document: {
    summary: 'A delivery of GitLab',
    description:
      'Pushes of branches and tags and merge requests start runs; every other event is ignored ' +
      'with a reason; the schema is that of a push. Vouched for by the ' +
      'secret of the declared repository that the body names, by its clone URL or its full ' +
      `name: GitLab's signing secret (webhook-signature), or the secret token (${TOKEN_HEADER}).`,
    headers: z.object({
      [EVENT_HEADER.toLowerCase()]: described(
        '`Push Hook`, `Tag Push Hook` and `Merge Request Hook` start runs.'
      ),
      'idempotency-key': optional('Id of the delivery; x-gitlab-event-uuid where it is absent.'),
      [TOKEN_HEADER.toLowerCase()]: optional('The secret token, where that is the secret.'),
      'webhook-id': optional('Id of a signed delivery.'),
      'webhook-timestamp': optional('Whole seconds since 1970.'),
      'webhook-signature': optional('As of Standard Webhooks, where the secret is `whsec_...`.')
    }),
    body: gitlabPushSchema
  },
  read: ({ headers, text }) => {
    const body = parseJson(text)
    const event = eventOf(headerOf(headers, EVENT_HEADER))
    const repository = namedProject(body)
    // A push that names none has no meaning; of other events many belong to no project.
    if (repository === undefined && PUSHES.includes(event)) gitlabPush(body)
    if (repository !== undefined) checkVouched(headers, repository.name)
    return { event, repository, meaning: () => meaningOf(event, body) }
  },
  secretOf: gitlabSecretOf,
  newSecret: () => `${randomBytes(SECRET_BYTES).toString('base64url')}\n`
}

/** `Tag Push Hook` is `tag_push`. */
function eventOf(header: string | undefined): string {
  const words = EVENT.exec(header ?? '')?.[1]
  return words === undefined ? 'unknown' : words.toLowerCase().replaceAll(' ', '_')
}

function meaningOf(event: string, body: unknown): HookEvent {
  if (PUSHES.includes(event)) return meaningOfPush(gitlabPush(body))
  if (event === 'merge_request') return gitlabMergeRequest(body)
  return { kind: 'ignored', reason: `event ${event} starts no run` }
}
