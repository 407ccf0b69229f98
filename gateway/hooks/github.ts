import { hmacHook } from './hmac-hook.ts'

/** GitHub. `X-Hub-Signature`, by SHA-1, is not looked at. */
export const githubHook = hmacHook({
  forge: 'github',
  title: 'GitHub',
  event: 'X-GitHub-Event',
  delivery: 'X-GitHub-Delivery',
  signature: 'X-Hub-Signature-256',
  prefix: 'sha256=',
  ping: 'ping'
})
