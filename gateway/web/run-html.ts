import { jobContext, jobDocument } from '../../protocol/api/job-document.ts'
import type { ApiParts } from '../api/parts.ts'
import { runDocument } from '../api/run-view.ts'
import type { RunDocument } from '../api/schemas.ts'
import { type Html, html } from './html.ts'
import { facts, page, stateMark, table, timeText } from './layout.ts'

const HEADS = ['Job', 'State', 'Attempt', 'Agent', 'Time', 'Why']

/** The page of a run, by its full or short id. Throws RUN_UNKNOWN, RUN_AMBIGUOUS. */
export async function runHtml(api: ApiParts, id: string): Promise<string> {
  const run = await runDocument(api, id)
  const { repository, shortId, state, error } = run
  const body = html`<h1>Run ${shortId} of ${repository}: ${stateMark(state)}</h1>
${facts([
  ['Event', run.event],
  ['Branch', run.branch],
  ['Commit', run.commit],
  ['Title', run.title],
  ['Pushed by', run.pusher],
  ['Announced', run.announcedAt ?? ''],
  ['Reason', run.reason ?? ''],
  ['Error', error === null ? '' : errorText(error)],
  ['Waits for', state === 'waiting' ? `an approval: POST /api/v1/runs/${run.id}/approve` : '']
])}
<h2>Jobs</h2>
${run.jobs.length === 0 ? html`<p>None.</p>` : jobsTable(api, run)}`
  return page(`${state}: run ${shortId} of ${repository}`, body)
}

function errorText({ code, message, line, column, path }: NonNullable<RunDocument['error']>) {
  const where = line === null ? '' : ` (line ${line}, column ${column ?? 1})`
  return `${code}: ${path === null ? '' : `${path}: `}${message}${where}`
}

function jobsTable(api: ApiParts, run: RunDocument): Html {
  const context = jobContext(api)
  const rows = run.jobs.map(({ id, name, state }) => {
    const link = html`<a href="../jobs/${id}">${name}</a>`
    const known = api.board.job(id)
    // The board has dropped it, the witnesses have not.
    if (known === undefined) return [link, stateMark(state), '', '', '', '']
    const job = jobDocument(known, context)
    const attempt = job.attempt === 0 ? '' : `${job.attempt} of ${job.attemptsMax}`
    const time = timeText(job.durationMs)
    return [link, stateMark(job.state), attempt, job.holder ?? '', time, job.why]
  })
  return table(`${rows.length} of this run`, HEADS, rows)
}
