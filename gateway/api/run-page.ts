import { MeshError } from '../../protocol/core/errors.ts'
import { isRefNamed, matchesRun } from '../../protocol/core/job-filter.ts'
import type { ApiParts } from './parts.ts'
import { chosenRun, deliveredRun } from './run-view.ts'
import type { RunDocument, RunQuery } from './schemas.ts'

/** Where a run stands in the list. */
interface Place {
  /** Wall clock: of its announcement, or of the delivery that waits. */
  readonly atMs: number
  readonly runId: string
}

interface Row extends Place {
  /** Undefined where it waits no more. */
  read(): RunDocument | undefined | Promise<RunDocument | undefined>
}

/**
 * Chosen runs and those that wait for an approval here, newest first. A cursor is a place in time,
 * good also when its run has left the list. Throws REQUEST_INVALID for one that is none.
 */
export async function runPage(
  parts: ApiParts,
  query: RunQuery
): Promise<{ runs: RunDocument[]; next: string | null }> {
  const after = query.cursor === undefined ? undefined : parsePlace(query.cursor)
  const rows = [...waitingRows(parts, query), ...chosenRows(parts, query)]
  const runs: RunDocument[] = []
  let last: Place | undefined
  for (const row of rows.sort(newestFirst)) {
    if (after !== undefined && newestFirst(row, after) <= 0) continue
    const run = await row.read()
    if (run === undefined) continue
    if (runs.length >= query.limit) {
      return { runs, next: last === undefined ? null : `${last.atMs}-${last.runId}` }
    }
    runs.push(run)
    last = row
  }
  return { runs, next: null }
}

function chosenRows(parts: ApiParts, query: RunQuery): Row[] {
  const { state: states } = query
  return parts.board.runs().flatMap(({ sealed }) => {
    const { runId, issuedAtMs: atMs } = sealed.announcement
    if (!matchesRun(sealed.announcement, query)) return []
    const status = parts.board.runStatus(runId)
    if (states !== undefined && !states.some((state) => state === status)) return []
    return [{ atMs, runId, read: () => chosenRun(parts, sealed) }]
  })
}

function waitingRows(parts: ApiParts, query: RunQuery): Row[] {
  const { state: states, repository, ref, event } = query
  if (states?.includes('waiting') === false) return []
  return parts.approvals.waiting().flatMap((waiting) => {
    const { key, runId, receivedAtMs: atMs } = waiting
    if (repository !== undefined && waiting.repository !== repository) return []
    // Another gateway has announced it, and this one is about to see that.
    if (parts.board.run(runId) !== undefined) return []
    const read = async (): Promise<RunDocument | undefined> => {
      const delivery = await parts.inbox.get(key)
      if (delivery?.state !== 'waiting') return undefined
      const run = await deliveredRun(parts, delivery)
      const isWanted = event === undefined || run.event === event
      return isWanted && (ref === undefined || isRefNamed(run.ref, ref)) ? run : undefined
    }
    return [{ atMs, runId, read }]
  })
}

function newestFirst(a: Place, b: Place): number {
  if (a.atMs !== b.atMs) return b.atMs - a.atMs
  if (a.runId === b.runId) return 0
  return a.runId < b.runId ? 1 : -1
}

function parsePlace(text: string): Place {
  const match = /^([0-9]{1,16})-([0-9A-Z]{1,64})$/.exec(text)
  if (match === null) throw new MeshError('REQUEST_INVALID', { problem: 'cursor is no cursor' })
  const [, atMs, runId = ''] = match
  return { atMs: Number(atMs), runId }
}
