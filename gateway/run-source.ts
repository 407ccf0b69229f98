import type { Manifest, RunOrigin } from '../protocol/core/run.ts'
import { type Trust, trustOf } from '../protocol/core/trust.ts'
import type { PipelineEvent } from '../protocol/pipeline/selection.ts'
import { titleOf } from './forge/title.ts'
import { PRINTABLE, PUSHER_CHARACTERS_MAX } from './hooks/git-push.ts'
import type { Change, DeclaredRepository, PullRequestFacts } from './ports.ts'
import {
  branchOf,
  commitOf,
  type OrderedEvent,
  originOf,
  type PullRequestEvent,
  pusherOf,
  type RefEvent,
  tagOf
} from './source-event.ts'

/** What a run is made from, with all that decides how far it is trusted. */
export interface RunSource {
  readonly repository: DeclaredRepository
  readonly origin: RunOrigin
  /** What the pipeline file is asked about. */
  readonly event: Omit<PipelineEvent, 'changedPaths'>
  readonly before: string
  readonly trust: Trust
  /** Of a pull request the branch that it goes to; of a fork's, whose pipeline file runs. */
  readonly base: string | undefined
  readonly fork: boolean
  /** Undefined where the commit has it. */
  readonly title: string | undefined
  /** Where its changed paths come from; undefined where nobody can tell. */
  readonly change: Change | undefined
  /** Nothing of it may be announced before somebody has approved it. */
  readonly needsApproval: boolean
  /** Names of the jobs that are wanted; undefined for all. */
  readonly jobs: readonly string[] | undefined
  /** In place of the commit's pipeline file. */
  readonly pipeline: string | undefined
}

/** Of all but pull requests: its own word is enough, since its own secret has vouched for it. */
export function sourceOf(
  event: RefEvent | OrderedEvent,
  repository: DeclaredRepository
): RunSource {
  const { ref } = event
  const push = 'after' in event ? event : undefined
  const isBranch = event.kind === 'push'
  return {
    repository,
    origin: originOf(event, repository.url),
    event: {
      kind: event.kind,
      branch: branchOf(event) ?? '',
      tag: tagOf(event) ?? '',
      ref,
      commit: commitOf(event),
      number: '',
      labels: [],
      author: pusherOf(event),
      inputs: 'inputs' in event ? event.inputs : {}
    },
    before: push?.before ?? '',
    trust: trustOfOrder(event) ?? trustOf({ ref, fork: false }, repository),
    base: undefined,
    fork: false,
    title: undefined,
    change: isBranch ? { kind: 'push', before: event.before, after: event.after } : undefined,
    needsApproval: false,
    jobs: event.jobs,
    pipeline: 'pipeline' in event ? event.pipeline?.text : undefined
  }
}

/** Of a pull request, by what its forge says of it now: no word of this is from a delivery. */
export function pullRequestSource(
  event: PullRequestEvent,
  repository: DeclaredRepository,
  facts: PullRequestFacts
): RunSource {
  const { ref, number } = event
  const { baseBranch: base, headCommit: head, headBranch, isFork: fork } = facts
  return {
    repository,
    origin: originOf(event, repository.url),
    event: {
      kind: 'pull_request',
      branch: base,
      tag: '',
      ref,
      commit: head,
      number: String(number),
      labels: facts.labels,
      author: shown(facts.author),
      inputs: {}
    },
    before: '',
    trust: trustOf({ ref: `refs/heads/${headBranch}`, fork }, repository),
    base,
    fork,
    title: titleOf(facts.title),
    change: { kind: 'pull_request', base, head },
    needsApproval: needsApproval(repository, facts),
    jobs: event.jobs,
    pipeline: undefined
  }
}

/** What its manifest says in any case: with jobs, or with why there are none. */
export function manifestOf(source: RunSource): Omit<Manifest, 'jobs' | 'error'> {
  const { repository, origin, event, before, trust, base, fork, title = '' } = source
  const { name, url } = repository
  const inputs = Object.keys(event.inputs).length === 0 ? undefined : event.inputs
  const places = { repository: name, url, before, base, fork: fork ? true : undefined }
  return { origin, ...places, pusher: event.author, title, trust, inputs }
}

/**
 * Who may order runs could else have every secret of the repository with a pipeline of their own:
 * that they may is said by their token.
 */
function trustOfOrder(event: RefEvent | OrderedEvent): Trust | undefined {
  const isStrange = 'pipeline' in event && event.pipeline?.isTrusted === false
  return isStrange ? 'untrusted' : undefined
}

/** A branch of the repository itself could be pushed to by its own people only. */
function needsApproval({ approval }: DeclaredRepository, facts: PullRequestFacts): boolean {
  if (!facts.isFork || approval === 'never') return false
  return approval === 'always' || !facts.isKnownAuthor
}

function shown(author: string): string {
  return author.length <= PUSHER_CHARACTERS_MAX && PRINTABLE.test(author) ? author : ''
}
