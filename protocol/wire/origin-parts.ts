import { NAME_CHARACTERS_MAX, REFERENCE_CHARACTERS_MAX } from '../core/limits.ts'
import type { RunOrigin } from '../core/run.ts'
import { isRunEvent, type RunEvent } from '../core/run-event.ts'
import type { FieldReader } from './field-reader.ts'
import type { FieldWriter } from './field-writer.ts'
import { refuse } from './fields.ts'

/** SHA-1 or SHA-256 of Git, in full: a short id can come to name another commit. */
const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/

export function writeOrigin(writer: FieldWriter, origin: RunOrigin): void {
  checkOrigin(origin)
  writer.lineOrNone(8, 'rerunNonce', origin.rerunNonce, NAME_CHARACTERS_MAX)
  writer.lineOrNone(7, 'action', origin.action, NAME_CHARACTERS_MAX)
  writer.lineOrNone(6, 'number', origin.number, NAME_CHARACTERS_MAX)
  writer.line(5, 'commit', origin.commit, NAME_CHARACTERS_MAX)
  writer.line(4, 'ref', origin.ref, REFERENCE_CHARACTERS_MAX)
  writer.line(3, 'event', event(origin.event), NAME_CHARACTERS_MAX)
  writer.line(2, 'repositoryId', origin.repositoryId, REFERENCE_CHARACTERS_MAX)
  writer.line(1, 'forgeHost', origin.forgeHost, REFERENCE_CHARACTERS_MAX)
}

export function readOrigin(reader: FieldReader): RunOrigin {
  const origin = {
    forgeHost: reader.line(1, 'forgeHost', REFERENCE_CHARACTERS_MAX),
    repositoryId: reader.line(2, 'repositoryId', REFERENCE_CHARACTERS_MAX),
    event: event(reader.line(3, 'event', NAME_CHARACTERS_MAX)),
    ref: reader.line(4, 'ref', REFERENCE_CHARACTERS_MAX),
    commit: reader.line(5, 'commit', NAME_CHARACTERS_MAX),
    number: reader.lineOrNone(6, 'number', NAME_CHARACTERS_MAX),
    action: reader.lineOrNone(7, 'action', NAME_CHARACTERS_MAX),
    rerunNonce: reader.lineOrNone(8, 'rerunNonce', NAME_CHARACTERS_MAX)
  }
  checkOrigin(origin)
  return origin
}

export function checkCommit(value: string, field: string): void {
  if (!COMMIT.test(value)) refuse(field, 'is not a full commit id')
}

function checkOrigin({ ref, commit }: RunOrigin): void {
  if (!ref.startsWith('refs/')) refuse('ref', 'is not a full ref')
  checkCommit(commit, 'commit')
}

function event(value: string): RunEvent {
  return isRunEvent(value) ? value : refuse('event', `is ${JSON.stringify(value)}`)
}
