/** Request streams; the version is raised with any change that an older member would refuse. */
export const PROTOCOLS = {
  register: '/runner-mesh/register/3',
  roster: '/runner-mesh/roster/1',
  join: '/runner-mesh/join/1',
  log: '/runner-mesh/log/1',
  query: '/runner-mesh/query/1',
  secrets: '/runner-mesh/secrets/1',
  orders: '/runner-mesh/orders/1'
} as const

/** Gossip topics. */
export const TOPICS = {
  jobs: 'runner-mesh/jobs/2',
  agents: 'runner-mesh/agents/1',
  roster: 'runner-mesh/roster/1'
} as const

/** 26 characters of Crockford's base 32, as runIdOfOrigin makes them. */
const RUN_ID = /^[0-9A-HJKMNP-TV-Z]{26}$/
const JOB_ID = /^[0-9A-HJKMNP-TV-Z]{26}\.(?:0|[1-9][0-9]{0,2})$/
/** An Ed25519 peer id: base58 of 00 24 08 01 12 20 and the 32 bytes of the key. */
const PEER_ID = /^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/

export function isRunId(text: string): boolean {
  return RUN_ID.test(text)
}

/** True for `runId.index` in its only spelling. */
export function isJobId(text: string): boolean {
  return JOB_ID.test(text)
}

/** True for text of the right shape; whether a key hides behind it shows publicKeyOf. */
export function isPeerId(text: string): boolean {
  return PEER_ID.test(text)
}
