import { randomUUID } from 'node:crypto'
import type { ForgeName } from '../../gateway/hooks/forge-hook.ts'
import { CallbackReceiver } from './callback-receiver.ts'
import { FakeForge } from './fake-forge.ts'
import { deliver, type FakeDelivery, type FakeHook } from './fake-forge-hooks.ts'
import type { FakeRepository } from './fake-forge-repository.ts'
import type { FakePull } from './fake-forge-world.ts'
import { HMAC_VECTOR } from './forge-delivery.ts'
import type { Gate } from './gate.ts'
import { GITLAB_TOKEN } from './gitlab-delivery.ts'
import { webhookHeaders, webhookSecret } from './standard-webhook.ts'

export const REPOSITORY = 'team/kernel'

/** One delivery as its sender keeps it. */
export interface Sent {
  readonly hook: FakeHook
  readonly delivery: FakeDelivery
}

export interface RefChange {
  readonly ref: string
  readonly before?: string | undefined
  readonly after: string
}

/** What was said of one context of a commit, whatever the Git server calls it. */
export interface Said {
  /** `runner-mesh`, `runner-mesh/build`. */
  readonly context: string
  readonly state: 'going on' | 'succeeded' | 'bad'
}

/** One Git server with one repository, as all five are alike to a test. */
export interface ForgeSide {
  readonly kind: ForgeName
  /** Serves the repository, too. */
  readonly forge: FakeForge
  readonly repository: FakeRepository
  /** Of the hook. */
  readonly secret: string
  /** What a gateway is known by there; undefined for bare Git, which is told by callbacks. */
  readonly token: string | undefined
  /** Further fields of the repository in gateway.yaml. */
  readonly settings: Readonly<Record<string, unknown>>
  /** Of what it is told of runs. */
  readonly before: Gate
  readonly after: Gate
  /** True for what passes these gates where it is a good end. */
  isEnd(what: string): boolean
  /** To all hooks, in their order. */
  push(change: RefChange): Promise<readonly Sent[]>
  /** Once more, as its people would have it sent. */
  redeliver(sent: Sent): Promise<FakeDelivery>
  /** The same body under an id that nobody knows. */
  replay(sent: Sent): Promise<FakeDelivery>
  /** The same body, signed by somebody who does not know the secret. */
  forged(change: RefChange, hook: FakeHook): Promise<FakeDelivery>
  /** In order. */
  said(commit: string): readonly Said[]
  stop(): Promise<void>
}

export interface SideOptions {
  /** Of a hosted one: agents get the gateway's own credential for its source. */
  readonly isPrivate?: boolean
}

export async function forgeSide(kind: ForgeName, options: SideOptions = {}): Promise<ForgeSide> {
  return kind === 'git' ? await bareSide() : await hostedSide(kind, options)
}

async function hostedSide(
  kind: Exclude<ForgeName, 'git'>,
  { isPrivate = false }: SideOptions
): Promise<ForgeSide> {
  const forge = await FakeForge.serve(kind)
  const repository = await forge.repository(REPOSITORY, { isPrivate })
  const hookOf = (delivery: FakeDelivery): FakeHook => {
    const hook = repository.hooks.find(({ deliveries }) => deliveries.includes(delivery))
    if (hook === undefined) throw new Error('no hook has sent it')
    return hook
  }
  const push = async (change: RefChange): Promise<readonly Sent[]> => {
    const sent = await forge.push(repository, change)
    return sent.map((delivery) => ({ hook: hookOf(delivery), delivery }))
  }
  return {
    kind,
    forge,
    repository,
    secret: kind === 'gitlab' ? GITLAB_TOKEN : HMAC_VECTOR.secret,
    token: forge.world.token('gateway'),
    settings: { credential: 'forge', ...(isPrivate ? { checkout: 'forge' } : {}) },
    before: forge.before,
    after: forge.after,
    isEnd: (what) => /^POST .+\/statuses\/[0-9a-f]+ success$/.test(what),
    push,
    redeliver: ({ hook, delivery }) => forge.redeliver(hook, delivery),
    replay: ({ hook, delivery: { event, payload } }) =>
      deliver(forge.world, hook, { event, payload }),
    forged: async (change, hook) => {
      const stranger = { ...hook, secret: 'a word that only a stranger has', deliveries: [] }
      const mine = [...repository.hooks]
      repository.hooks.splice(0, mine.length, stranger)
      try {
        const [sent] = await forge.push(repository, change)
        if (sent === undefined) throw new Error('nothing was sent')
        return sent
      } finally {
        repository.hooks.splice(0, 1, ...mine)
      }
    },
    said: (commit) => {
      const statuses = repository.statuses.filter(({ sha }) => sha === commit)
      return statuses.flatMap(({ context, history }) => {
        return history.map((state) => ({ context, state: SAID[state] ?? 'bad' }))
      })
    },
    stop: () => forge.stop()
  }
}

const SAID: Readonly<Record<string, Said['state']>> = {
  pending: 'going on',
  queued: 'going on',
  running: 'going on',
  success: 'succeeded',
  succeeded: 'succeeded'
}

/** Bare Git: its hook posts as `deploy/post-receive.mjs` does; there is nothing to ask it. */
async function bareSide(): Promise<ForgeSide> {
  // Only its repositories are of use here: what serves them is git's own program for all alike.
  const forge = await FakeForge.serve('gitea')
  const repository = await forge.repository(REPOSITORY)
  const secret = webhookSecret()
  const receiver = await CallbackReceiver.serve(secret)
  const push = async (change: RefChange): Promise<readonly Sent[]> => {
    const payload = bareBody(change)
    return await Promise.all(
      repository.hooks.map(async (hook) => ({ hook, delivery: await barePost(hook, payload) }))
    )
  }
  return {
    kind: 'git',
    forge,
    repository,
    secret,
    token: undefined,
    settings: { callback: receiver.url },
    before: receiver.before,
    after: receiver.after,
    isEnd: (what) => what.endsWith(' succeeded'),
    push,
    redeliver: ({ hook, delivery: { payload, guid } }) => barePost(hook, payload, guid),
    replay: ({ hook, delivery: { payload } }) => barePost(hook, payload),
    forged: (change, hook) => barePost({ ...hook, secret: webhookSecret() }, bareBody(change)),
    said: (commit) => {
      const mine = receiver.taken.filter(({ data }) => data.run.commit === commit)
      return mine.map(({ data: { job, state } }) => ({
        context: job === null ? 'runner-mesh' : `runner-mesh/${job.name}`,
        state: SAID[state] ?? 'bad'
      }))
    },
    stop: async () => {
      await receiver.stop()
      await forge.stop()
    }
  }
}

const NO_COMMIT = '0'.repeat(40)

function bareBody({ ref, before = NO_COMMIT, after }: RefChange): string {
  const time = new Date().toISOString()
  return JSON.stringify({ repository: REPOSITORY, ref, before, after, pusher: 'lena', time })
}

async function barePost(
  { url, secret, deliveries }: FakeHook,
  payload: string,
  guid: string = randomUUID()
): Promise<FakeDelivery> {
  const seconds = Math.floor(Date.now() / 1_000)
  const headers = webhookHeaders({ secret, id: guid, seconds, body: payload })
  let status = 0
  try {
    const answer = await fetch(url, { method: 'POST', headers, body: payload })
    await answer.arrayBuffer()
    status = answer.status
  } catch {
    // Nobody listens: whoever pushed is told, and does no more.
  }
  const sent = { id: deliveries.length + 1, guid, event: 'push', payload, status }
  const delivery = { ...sent, deliveredAtMs: Date.now(), isRedelivery: false }
  deliveries.unshift(delivery)
  return delivery
}

/** A pull request from a fork, with what its author has put in the pipeline file. */
export async function pullFromFork(
  { forge, repository }: ForgeSide,
  parts: { readonly author: string; readonly files: Readonly<Record<string, string>> }
): Promise<{ readonly pull: FakePull; readonly source: FakeRepository }> {
  const { author, files } = parts
  const source = await forge.repository(`${author}/kernel`, { owner: author })
  const headCommit = await source.commit(files, 'fix')
  const where = { author, source, headBranch: 'fix', headCommit }
  return { pull: await forge.openPull(repository, where), source }
}
