import { hmacHook } from './hmac-hook.ts'

/** Gitea. It has no ping: its test button sends a push of the default branch's newest commit. */
export const giteaHook = hmacHook({
  forge: 'gitea',
  title: 'Gitea',
  event: 'X-Gitea-Event',
  delivery: 'X-Gitea-Delivery',
  signature: 'X-Gitea-Signature',
  prefix: ''
})
