import { randomUUID } from 'node:crypto'
import type { FakeRepository } from './fake-forge-repository.ts'
import type { FakeWorkflowJob } from './fake-forge-runners.ts'
import type { FakePull, FakeWorld } from './fake-forge-world.ts'
import { forgePost } from './forge-delivery.ts'
import { gitlabPost } from './gitlab-delivery.ts'

const NO_COMMIT = '0'.repeat(40)

export interface FakeDelivery {
  readonly id: number
  /** What its sender calls it: the same for a redelivery on GitHub and GitLab, new on Gitea. */
  readonly guid: string
  readonly event: string
  readonly payload: string
  readonly deliveredAtMs: number
  readonly isRedelivery: boolean
  /** 0 where nobody was there. */
  readonly status: number
}

/** A hook as a forge keeps it. */
export interface FakeHook {
  readonly id: number
  readonly url: string
  readonly secret: string
  /** Newest first. */
  readonly deliveries: FakeDelivery[]
  /** GitLab alone: set while it sends nothing by it, since too much has failed. */
  alertStatus?: 'temporarily_disabled' | 'disabled'
}

export interface FakePush {
  readonly ref: string
  readonly before?: string | undefined
  readonly after: string
  readonly pusher?: string
}

/** Sends a push to all hooks of the repository, once each: no forge tries again by itself. */
export async function sendPush(
  world: FakeWorld,
  repository: FakeRepository,
  push: FakePush,
  base: string
): Promise<readonly FakeDelivery[]> {
  const isTag = push.ref.startsWith('refs/tags/')
  const event = world.kind === 'gitlab' ? (isTag ? 'Tag Push Hook' : 'Push Hook') : 'push'
  const payload = JSON.stringify(pushBody(world, repository, push, base))
  return await sendAll(world, repository, event, payload)
}

export async function sendPull(
  world: FakeWorld,
  repository: FakeRepository,
  pull: FakePull,
  action: string,
  base: string
): Promise<readonly FakeDelivery[]> {
  const event = world.kind === 'gitlab' ? 'Merge Request Hook' : 'pull_request'
  const payload = JSON.stringify(pullBody(world, repository, pull, action, base))
  return await sendAll(world, repository, event, payload)
}

export async function sendJob(
  world: FakeWorld,
  repository: FakeRepository,
  job: FakeWorkflowJob,
  base: string
): Promise<readonly FakeDelivery[]> {
  const { id, runId, name, labels, status, conclusion, runner } = job
  const payload = JSON.stringify({
    action: status,
    workflow_job: {
      ...{ id, run_id: runId, run_attempt: 1, name, labels, status, conclusion },
      ...{ head_branch: 'main', runner_name: runner === '' ? null : runner, steps: [] }
    },
    repository: repositoryOf(repository, base),
    sender: { id: repository.owner.id, login: repository.owner.login }
  })
  return await sendAll(world, repository, 'workflow_job', payload)
}

async function sendAll(
  world: FakeWorld,
  { hooks }: FakeRepository,
  event: string,
  payload: string
): Promise<readonly FakeDelivery[]> {
  return await Promise.all(hooks.map((hook) => deliver(world, hook, { event, payload })))
}

/** Again, by hand: with the same GUID, but for Gitea and Forgejo, which give a new one. */
export async function redeliver(
  world: FakeWorld,
  hook: FakeHook,
  { event, payload, guid }: FakeDelivery
): Promise<FakeDelivery> {
  const isNew = world.kind === 'gitea' || world.kind === 'forgejo'
  return await deliver(world, hook, { event, payload, guid: isNew ? undefined : guid }, true)
}

/** Once, signed with the hook's secret; a GUID of its own where none is given. */
export async function deliver(
  world: FakeWorld,
  hook: FakeHook,
  sent: { readonly event: string; readonly payload: string; readonly guid?: string | undefined },
  isRedelivery = false
): Promise<FakeDelivery> {
  const { event, payload, guid = randomUUID() } = sent
  const { secret } = hook
  const { headers } =
    world.kind === 'gitlab'
      ? gitlabPost(payload, {
          event,
          id: guid,
          seconds: Math.floor(world.nowMs() / 1000),
          ...(secret.startsWith('whsec_') ? { secret } : { token: secret })
        })
      : forgePost(world.kind, payload, { event, id: guid, secret })
  let status = 0
  try {
    const answer = await fetch(hook.url, { method: 'POST', headers, body: payload })
    await answer.arrayBuffer()
    status = answer.status
  } catch {
    // Nobody listens: the forge writes that down and does no more.
  }
  const delivery = {
    id: world.id(),
    guid,
    event,
    payload,
    deliveredAtMs: world.nowMs(),
    isRedelivery,
    status
  }
  hook.deliveries.unshift(delivery)
  return delivery
}

function pushBody(
  world: FakeWorld,
  repository: FakeRepository,
  { ref, before = NO_COMMIT, after, pusher = 'lena' }: FakePush,
  base: string
): unknown {
  const head = { ref, before, after }
  if (world.kind !== 'gitlab') {
    const who = { login: pusher, username: pusher, name: pusher }
    const headCommit = after === NO_COMMIT ? null : { id: after, message: 'a commit' }
    return {
      ...head,
      repository: repositoryOf(repository, base),
      pusher: who,
      head_commit: headCommit
    }
  }
  const kind = ref.startsWith('refs/tags/') ? 'tag_push' : 'push'
  const checkout = { checkout_sha: after === NO_COMMIT ? null : after }
  const who = { user_username: pusher, user_name: pusher }
  const project = projectOf(repository, base)
  return { object_kind: kind, event_name: kind, ...head, ...checkout, ...who, project }
}

function pullBody(
  world: FakeWorld,
  repository: FakeRepository,
  pull: FakePull,
  action: string,
  base: string
): unknown {
  const { number, title, author, headCommit, headBranch, baseBranch, source, labels } = pull
  const isUpdate = action === 'update' && pull.headBefore !== undefined
  if (world.kind !== 'gitlab') {
    return {
      action,
      number,
      pull_request: {
        number,
        title,
        state: pull.state === 'open' ? 'open' : 'closed',
        user: { id: author.id, login: author.login },
        labels: labels.map((name) => ({ name })),
        head: {
          ref: headBranch,
          sha: headCommit,
          repo: source === undefined ? null : repositoryOf(source, base)
        },
        base: { ref: baseBranch, repo: repositoryOf(repository, base) }
      },
      repository: repositoryOf(repository, base),
      sender: { id: author.id, login: author.login }
    }
  }
  return {
    object_kind: 'merge_request',
    event_type: 'merge_request',
    user: { id: author.id, username: author.login, name: author.login },
    project: projectOf(repository, base),
    object_attributes: {
      iid: number,
      title,
      action,
      ...(isUpdate ? { oldrev: pull.headBefore } : {}),
      state: pull.state === 'open' ? 'opened' : pull.state,
      source_project_id: source?.id ?? null,
      target_project_id: repository.id,
      source_branch: headBranch,
      target_branch: baseBranch,
      last_commit: { id: headCommit }
    },
    labels: labels.map((labelTitle) => ({ title: labelTitle }))
  }
}

export function repositoryOf({ id, path, isPrivate, owner }: FakeRepository, base: string) {
  return {
    id,
    name: path.split('/').at(-1),
    full_name: path,
    private: isPrivate,
    owner: { id: owner.id, login: owner.login },
    html_url: `${base}/${path}`,
    clone_url: `${base}/${path}.git`,
    ssh_url: `git@${new URL(base).hostname}:${path}.git`,
    default_branch: 'main'
  }
}

export function projectOf({ id, path }: FakeRepository, base: string) {
  return {
    id,
    name: path.split('/').at(-1),
    path_with_namespace: path,
    web_url: `${base}/${path}`,
    git_http_url: `${base}/${path}.git`,
    git_ssh_url: `git@${new URL(base).hostname}:${path}.git`,
    default_branch: 'main'
  }
}
