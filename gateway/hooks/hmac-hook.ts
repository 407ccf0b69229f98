import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { type ForgeHook, type ForgeName, type HookEvent, headerOf } from './forge-hook.ts'
import { forgePullRequest } from './forge-pull-request.ts'
import { forgePush, forgePushSchema, namedRepository } from './forge-push.ts'
import { meaningOfPush, parseJson } from './git-push.ts'
import { digestOf, type HmacSigning, hmacSecretOf } from './hmac-secret.ts'
import { workflowJob } from './workflow-job.ts'

/** Bytes of a new secret: as many as the digest has. */
const SECRET_BYTES = 32

/** Names of events are words; anything else is not shown. */
const EVENT = /^[a-z][a-z0-9_]{0,63}$/

export interface HmacHookOptions extends HmacSigning {
  readonly forge: Exclude<ForgeName, 'git' | 'gitlab'>
  /** As people write it. */
  readonly title: string
  /** Header that names the event. */
  readonly event: string
  /** Event that the forge sends only to see whether the hook answers. */
  readonly ping?: string | undefined
}

/** A forge that signs the raw body and posts one push event for each ref. */
export function hmacHook(options: HmacHookOptions): ForgeHook {
  const { forge, title } = options
  return {
    forge,
    document: {
      summary: `A delivery of ${title}`,
      description:
        'Pushes of branches and tags and pull requests start runs; a `workflow_job` has the ' +
        'forge asked about that job, where the repository has `provision`; every other event is ' +
        `ignored with a reason. ${options.signature} ` +
        'is made with the secret of the declared repository that the body names, by its clone ' +
        'URL or its full name. Only application/json is taken; the schema is that of a push.',
      headers: headersSchema(options),
      body: forgePushSchema
    },
    read: ({ headers, text }) => {
      const body = parseJson(text)
      const event = eventOf(headerOf(headers, options.event))
      const repository = namedRepository(body)
      // A push that names none has no meaning; of other events many belong to no repository.
      if (repository === undefined && event === 'push') forgePush(body)
      if (repository !== undefined) digestOf(headers, options, repository.name)
      return { event, repository, meaning: () => meaningOf(event, body, options) }
    },
    secretOf: (text) => hmacSecretOf(text, options),
    newSecret: () => `${randomBytes(SECRET_BYTES).toString('base64url')}\n`
  }
}

function eventOf(header: string | undefined): string {
  return header !== undefined && EVENT.test(header) ? header : 'unknown'
}

function meaningOf(event: string, body: unknown, { ping }: HmacHookOptions): HookEvent {
  if (event === 'push') return meaningOfPush(forgePush(body))
  if (event === 'pull_request') return forgePullRequest(body)
  if (event === 'workflow_job') return workflowJob(body)
  if (event === ping) return { kind: 'ignored', reason: event }
  // All three send a push as well: both together would be two runs.
  const twin = event === 'create' ? ': the push of the new branch or tag does' : ''
  return { kind: 'ignored', reason: `event ${event} starts no run${twin}` }
}

function headersSchema({ event, delivery, signature, prefix }: HmacHookOptions): z.ZodType {
  const described = (description: string) => z.string().meta({ description })
  return z.object({
    [event.toLowerCase()]: described(
      'Name of the event: `push`, `pull_request` and `workflow_job` can start runs.'
    ),
    [delivery.toLowerCase()]: described('Id of the delivery.'),
    [signature.toLowerCase()]: described(
      `${prefix === '' ? '' : `\`${prefix}\` and `}HMAC-SHA-256 of the raw body in 64 ` +
        'hexadecimal digits.'
    )
  })
}
