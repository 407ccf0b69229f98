import { MeshError } from '../protocol/core/errors.ts'
import { MESSAGE_BYTES_MAX } from '../protocol/core/limits.ts'
import type { Manifest, ManifestError } from '../protocol/core/run.ts'
import { trustOf } from '../protocol/core/trust.ts'
import { parsePipeline } from '../protocol/pipeline/parse-pipeline.ts'
import { type PipelineEvent, select } from '../protocol/pipeline/selection.ts'
import { PIPELINE_FILE } from './forge/commit-cache.ts'
import { branchOf, type GitPush, originOf } from './hooks/git-push.ts'
import type { CommitContent, DeclaredRepository } from './ports.ts'

/** What a push turns out to mean once its commit has been read. */
export type Meaning =
  | { readonly kind: 'ignored'; readonly reason: string }
  | { readonly kind: 'run'; readonly manifest: Manifest }

export function meaningOf(
  push: GitPush,
  repository: DeclaredRepository,
  commit: CommitContent
): Meaning {
  const { title, pipeline } = commit
  const errored = (error: ManifestError): Meaning => {
    return { kind: 'run', manifest: { ...erroredManifest(push, repository, error), title } }
  }
  if (pipeline.kind === 'absent') {
    const facts = { commit: push.after, file: PIPELINE_FILE }
    return errored(errorOf(new MeshError('PIPELINE_ABSENT', facts)))
  }
  if (pipeline.kind === 'unusable') return errored(invalidPipeline(undefined, pipeline.problem))
  const parsed = parsePipeline(pipeline.bytes, { file: PIPELINE_FILE })
  if (parsed.kind === 'error') return errored(parsed.error)
  const selection = select(parsed.pipeline, eventOf(push))
  if (selection.kind === 'ignored') return selection
  if (selection.kind === 'error') return errored(selection.error)
  const { jobs } = selection
  return { kind: 'run', manifest: { ...manifestBase(push, repository), title, jobs } }
}

function eventOf(push: GitPush): PipelineEvent {
  return {
    kind: 'push',
    branch: branchOf(push) ?? '',
    tag: '',
    ref: push.ref,
    commit: push.after,
    number: '',
    labels: [],
    author: push.pusher,
    inputs: {},
    changedPaths: undefined
  }
}

/** A run without jobs that says why. */
export function erroredManifest(
  push: GitPush,
  repository: DeclaredRepository,
  error: ManifestError
): Manifest {
  return { ...manifestBase(push, repository), error }
}

/** One of our errors as people read it on the run. */
export function errorOf(error: MeshError): ManifestError {
  const message = cut(error.message)
  return { code: error.code, message, line: undefined, column: undefined, path: undefined }
}

/** A problem of the file as a whole, or of one path in it. */
export function invalidPipeline(path: string | undefined, problem: string): ManifestError {
  const place = { line: 1, column: 1, path: path ?? 'top level' }
  const error = new MeshError('PIPELINE_INVALID', { file: PIPELINE_FILE, ...place, problem })
  return { ...errorOf(error), ...place, path }
}

function manifestBase(push: GitPush, repository: DeclaredRepository): Manifest {
  return {
    origin: originOf(push, repository.url),
    repository: repository.name,
    url: repository.url,
    before: push.before,
    pusher: push.pusher,
    title: '',
    jobs: [],
    error: undefined,
    trust: trustOf({ event: 'push', ref: push.ref, fork: false }, repository.trusts)
  }
}

// A git server may say a lot; cut by bytes without leaving half a character.
function cut(message: string): string {
  const bytes = Buffer.from(message, 'utf8')
  if (bytes.length <= MESSAGE_BYTES_MAX) return bytes.toString('utf8')
  return bytes.toString('utf8', 0, MESSAGE_BYTES_MAX).replace(/\ufffd+$/, '')
}
