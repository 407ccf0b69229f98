import type { JobSpec } from '../../protocol/core/run.ts'
import {
  type ParsedPipeline,
  type Pipeline,
  parsePipeline
} from '../../protocol/pipeline/parse-pipeline.ts'
import { type PipelineEvent, select } from '../../protocol/pipeline/selection.ts'

/* Pipeline files in tests. */

export function parseText(text: string): ParsedPipeline {
  return parsePipeline(new TextEncoder().encode(text), { file: '.runner-mesh.yml' })
}

/** Throws with what is wrong. */
export function goodPipeline(text: string): Pipeline {
  const parsed = parseText(text)
  if (parsed.kind === 'error') throw new Error(parsed.error.message)
  return parsed.pipeline
}

/** Messages of all errors, without the file's name. */
export function errorsOf(text: string): readonly string[] {
  const parsed = parseText(text)
  if (parsed.kind === 'ok') return []
  if (parsed.error !== parsed.errors[0]) throw new Error('the first error is another')
  return parsed.errors.map(({ message }) => message.replace('.runner-mesh.yml:', ''))
}

/** A push to main, with other facts. */
export function eventWith(facts: Partial<PipelineEvent> = {}): PipelineEvent {
  return {
    kind: 'push',
    branch: 'main',
    tag: '',
    ref: 'refs/heads/main',
    commit: '1'.repeat(40),
    number: '',
    labels: [],
    author: 'ada',
    inputs: {},
    changedPaths: undefined,
    ...facts
  }
}

/** What an event starts. Throws where it starts nothing. */
export function jobsOf(pipeline: Pipeline, facts: Partial<PipelineEvent> = {}): readonly JobSpec[] {
  const selection = select(pipeline, eventWith(facts))
  if (selection.kind === 'run') return selection.jobs
  throw new Error(selection.kind === 'ignored' ? selection.reason : selection.error.message)
}

/** A file of one job with these lines added to it. */
export function withJob(...lines: readonly string[]): string {
  return ['jobs:', '  build:', '    image: debian:13', ...lines.map((line) => `    ${line}`)].join(
    '\n'
  )
}

/** `${{ NAME }}`, which a formatter would take for a template. */
export function field(name: string): string {
  return ['$', `{{ ${name} }}`].join('')
}
