import { NAME_CHARACTERS_MAX, REFERENCE_CHARACTERS_MAX } from '../core/limits.ts'
import type { RunOrigin } from '../core/run.ts'
import { line, lineOrNone, refuse } from './fields.ts'
import type * as wire from './generated/announcement.ts'

/** SHA-1 or SHA-256 of Git, in full: a short id can come to name another commit. */
const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/

/** The same on both sides. */
export function originParts(origin: RunOrigin): RunOrigin & wire.RunOrigin {
  if (!origin.ref.startsWith('refs/')) refuse('ref', 'is not a full ref')
  return {
    forgeHost: line(origin.forgeHost, REFERENCE_CHARACTERS_MAX, 'forgeHost'),
    repositoryId: line(origin.repositoryId, REFERENCE_CHARACTERS_MAX, 'repositoryId'),
    event: event(origin.event),
    ref: line(origin.ref, REFERENCE_CHARACTERS_MAX, 'ref'),
    commit: commitId(origin.commit, 'commit'),
    number: lineOrNone(origin.number, NAME_CHARACTERS_MAX, 'number'),
    action: lineOrNone(origin.action, NAME_CHARACTERS_MAX, 'action'),
    rerunNonce: lineOrNone(origin.rerunNonce, NAME_CHARACTERS_MAX, 'rerunNonce')
  }
}

export function originFromWire(message: wire.RunOrigin): RunOrigin {
  return originParts({ ...message, event: event(message.event) })
}

export function commitId(value: string, field: string): string {
  if (!COMMIT.test(value)) refuse(field, 'is not a full commit id')
  return value
}

function event(value: string): RunOrigin['event'] {
  return value === 'push' ? value : refuse('event', `is ${JSON.stringify(value)}`)
}
