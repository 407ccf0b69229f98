import { MeshError } from '../../protocol/core/errors.ts'
import { ShortIds } from '../../protocol/core/short-id.ts'
import type { ApiParts } from './parts.ts'

/**
 * Full id of the run that a full or short one means, on the board or waiting here for an approval;
 * the text itself where there is none. Throws RUN_AMBIGUOUS.
 */
export function runIdMeant({ board, approvals }: ApiParts, id: string): string {
  if (board.run(id) !== undefined) return id
  const waiting = new ShortIds()
  for (const { runId } of approvals.waiting()) waiting.add(runId)
  const found = [...new Set([...board.findRuns(id), ...waiting.match(id)])]
  if (found.length <= 1) return found[0] ?? id
  const candidates = new ShortIds()
  for (const runId of found) candidates.add(runId)
  const short = found.map((runId) => candidates.shorten(runId)).join(', ')
  throw new MeshError('RUN_AMBIGUOUS', { id, candidates: short })
}
