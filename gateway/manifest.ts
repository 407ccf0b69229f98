import { MeshError } from '../protocol/core/errors.ts'
import { MESSAGE_BYTES_MAX } from '../protocol/core/limits.ts'
import type { Manifest, ManifestError } from '../protocol/core/run.ts'
import { parsePipeline } from '../protocol/pipeline/parse-pipeline.ts'
import { select } from '../protocol/pipeline/selection.ts'
import { chosenJobs } from './chosen-jobs.ts'
import { PIPELINE_FILE } from './forge/commit-cache.ts'
import type { CommitContent } from './ports.ts'
import { manifestOf, type RunSource } from './run-source.ts'

/** What an event turns out to mean once the pipeline file has been read. */
export type Meaning =
  | { readonly kind: 'ignored'; readonly reason: string }
  | { readonly kind: 'run'; readonly manifest: Manifest }

/** `pathsOf` is asked only where the pipeline file wants to know. Rejects as that does. */
export async function meaningOf(
  source: RunSource,
  content: CommitContent,
  pathsOf: () => Promise<readonly string[] | undefined>
): Promise<Meaning> {
  const title = source.title ?? content.title
  const titled = { ...source, title }
  const errored = (error: ManifestError): Meaning => {
    return { kind: 'run', manifest: erroredManifest(titled, error) }
  }
  const { pipeline } = content
  if (pipeline.kind === 'absent') {
    const commit = source.fork ? `branch ${source.base}` : source.event.commit
    return errored(errorOf(new MeshError('PIPELINE_ABSENT', { commit, file: PIPELINE_FILE })))
  }
  if (pipeline.kind === 'unusable') return errored(invalidPipeline(undefined, pipeline.problem))
  const parsed = parsePipeline(pipeline.bytes, { file: PIPELINE_FILE })
  if (parsed.kind === 'error') return errored(parsed.error)
  const changedPaths = parsed.pipeline.wantsPaths ? await pathsOf() : undefined
  const selection = select(parsed.pipeline, { ...source.event, changedPaths })
  if (selection.kind === 'ignored') return selection
  if (selection.kind === 'error') return errored(selection.error)
  const jobs = source.jobs === undefined ? selection.jobs : chosenJobs(selection.jobs, source.jobs)
  if (jobs.length === 0 && source.jobs !== undefined) {
    const reason = `the pipeline file has none of the jobs that are to run again: ${source.jobs.join(', ')}`
    return { kind: 'ignored', reason }
  }
  return { kind: 'run', manifest: { ...manifestOf(titled), jobs, error: undefined } }
}

/** A run without jobs that says why. */
export function erroredManifest(source: RunSource, error: ManifestError): Manifest {
  return { ...manifestOf(source), jobs: [], error }
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

// A git server may say a lot; cut by bytes without leaving half a character.
function cut(message: string): string {
  const bytes = Buffer.from(message, 'utf8')
  if (bytes.length <= MESSAGE_BYTES_MAX) return bytes.toString('utf8')
  return bytes.toString('utf8', 0, MESSAGE_BYTES_MAX).replace(/\ufffd+$/, '')
}
