import { hmacHook } from './hmac-hook.ts'

/** Forgejo: Gitea's events under headers of its own, which it sends besides Gitea's. */
export const forgejoHook = hmacHook({
  forge: 'forgejo',
  title: 'Forgejo',
  event: 'X-Forgejo-Event',
  delivery: 'X-Forgejo-Delivery',
  signature: 'X-Forgejo-Signature',
  prefix: ''
})
