import { PROVISION_LABEL_CHARACTERS_MAX, PROVISION_LABELS_MAX } from '../core/provision-limits.ts'
import type { JobSpec, RunnerSpec } from '../core/run.ts'
import type { FieldReader } from './field-reader.ts'
import type { FieldWriter } from './field-writer.ts'
import { refuse } from './fields.ts'

export function writeRunner(writer: FieldWriter, { labels }: RunnerSpec): void {
  for (const label of checked(labels).toReversed()) {
    writer.line(1, 'runner label', label, PROVISION_LABEL_CHARACTERS_MAX)
  }
}

/** Nothing where the job is no slot. */
export function readRunner(reader: FieldReader): Pick<JobSpec, 'runner'> {
  const runner = reader.optionalMessage(26, 'runner', readLabels)
  return runner === undefined ? {} : { runner }
}

function readLabels(reader: FieldReader): RunnerSpec {
  const labels: string[] = []
  while (labels.length <= PROVISION_LABELS_MAX && reader.isNext(1)) {
    labels.push(reader.line(1, 'runner label', PROVISION_LABEL_CHARACTERS_MAX))
  }
  return { labels: checked(labels) }
}

function checked(labels: readonly string[]): readonly string[] {
  if (labels.length === 0) refuse('runner labels', 'are none')
  if (labels.length > PROVISION_LABELS_MAX) {
    refuse('runner labels', `are over ${PROVISION_LABELS_MAX}`)
  }
  return labels
}
