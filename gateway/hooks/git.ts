import { randomBytes } from 'node:crypto'
import type { ForgeHook, Incoming } from './forge-hook.ts'
import { gitPushSchema, meaningOfPush, parseGitPush } from './git-push.ts'
import {
  secretProblem,
  signedHeadersOf,
  WebhookSecret,
  webhookHeadersSchema
} from './standard-webhook.ts'

/** Bytes of a new secret (Standard Webhooks asks for 24 to 64). */
const SECRET_BYTES = 32

/** Bare Git, by deploy/post-receive.mjs: signed as Standard Webhooks. */
export const gitHook: ForgeHook = {
  forge: 'git',
  document: {
    summary: 'One ref of one push to a bare Git repository',
    description:
      'Signed as Standard Webhooks (webhook-id, webhook-timestamp, webhook-signature) with ' +
      'the secret of the repository that the body names.',
    headers: webhookHeadersSchema,
    body: gitPushSchema
  },
  read: ({ text }) => {
    const push = parseGitPush(text)
    return {
      event: 'push',
      repository: { name: push.repository, urls: [] },
      meaning: () => meaningOfPush(push)
    }
  },
  secretOf: (text) => {
    const trimmed = text.trim()
    const problem = secretProblem(trimmed)
    if (problem !== undefined) return { kind: 'unusable', problem }
    const secret = new WebhookSecret(trimmed)
    return {
      kind: 'usable',
      secret: { verify: (incoming, name) => verify(secret, incoming, name) }
    }
  },
  newSecret: () => `whsec_${randomBytes(SECRET_BYTES).toString('base64')}\n`
}

function verify(secret: WebhookSecret, incoming: Incoming, repository: string): string {
  const { headers, text, receivedAtMs } = incoming
  return secret.verify(signedHeadersOf(headers), text, receivedAtMs, repository)
}
