import { findJob } from '../../protocol/api/job-lookup.ts'
import { memberName } from '../../protocol/api/member-names.ts'
import { whyDocument } from '../../protocol/api/why-document.ts'
import type { WhyDocument } from '../../protocol/api/why-schema.ts'
import type { BoardJob } from '../../protocol/core/board-job.ts'
import { PAGE_HOSTS_MAX } from '../../protocol/core/follow-limits.ts'
import { digest } from '../../protocol/wire/digest.ts'
import type { ApiParts } from '../api/parts.ts'
import { type Html, html, type Part } from './html.ts'
import { facts, page, stateMark, table, timeText } from './layout.ts'
import { type LogTail, logTail } from './log-tail.ts'

/** The page of a job, by its full or short id. Throws JOB_UNKNOWN, JOB_AMBIGUOUS. */
export async function jobHtml(api: ApiParts, id: string): Promise<string> {
  const found = findJob(api.board, id)
  const why = whyDocument(found, api, digest())
  const { job } = why
  const { name, shortId, state, repository } = job
  const body = html`<h1>Job ${name} (${shortId}) of ${repository}: ${stateMark(state)}</h1>
${facts([
  ['Why', job.why],
  ['Run', html`<a href="../runs/${job.run}">${job.run}</a>`],
  ['Branch', job.branch],
  ['Commit', job.commit],
  ['Title', job.title],
  ['Trust', job.trust],
  ['Agent', job.holder ?? ''],
  ['Attempt', job.attempt === 0 ? '' : `${job.attempt} of ${job.attemptsMax}`],
  ['Reason', job.reason ?? ''],
  ['Exit code', job.exitCode ?? ''],
  ['Time', timeText(job.durationMs)],
  ['Announced', job.announcedAt]
])}
${job.steps.length === 0 ? '' : steps(job.steps)}
${why.waits ? hosts(why) : ''}
${attempts(api, found)}
${logSection(job.id, await logTail(api, found))}`
  return page(`${state}: ${name} of ${repository}`, body)
}

function steps(all: WhyDocument['job']['steps']): Html {
  const rows = all.map(({ name, state, exitCode, durationMs }) => {
    return [name, stateMark(state.replace('_', ' ')), exitCode ?? '', timeText(durationMs)]
  })
  return html`<h2>Steps</h2>
${table('in their order', ['Step', 'State', 'Exit code', 'Time'], rows)}`
}

/** What keeps each host from it, those first that come closest. */
function hosts({ hosts: all, fix, ahead }: WhyDocument): Html {
  const shown = all.slice(0, PAGE_HOSTS_MAX)
  const rows = shown.map(({ name, state, requirements }) => {
    const unmet = requirements.filter(({ met }) => !met)
    const words = unmet.map(({ requirement, wanted, offered }) => {
      return `${requirement}: wanted ${wanted}, offered ${offered}`
    })
    return [name, state, words.join('; ') || 'nothing']
  })
  return html`<h2>Why it waits</h2>
${facts([
  ['Queued before it', ahead],
  ['What would help', fix ?? '']
])}
${table(`${shown.length} of ${all.length} hosts`, ['Host', 'State', 'What keeps it'], rows)}`
}

/** Each with its own log, as long as somebody keeps it. */
function attempts(api: ApiParts, { jobId, state }: BoardJob): Html {
  if (state === undefined) return html``
  const { history, lease, epoch } = state
  const now = lease === undefined ? [] : [{ epoch, holder: lease.holder, end: 'goes on' }]
  const all = [...history, ...now]
  if (all.length === 0) return html``
  const rows = all.map((attempt): Part[] => {
    const link = html`<a href="../jobs/${jobId}/log?epoch=${attempt.epoch}">log of epoch ${attempt.epoch}</a>`
    return [attempt.epoch, memberName(attempt.holder, api.roster()), attempt.end, link]
  })
  return html`<h2>Attempts</h2>
${table('oldest first', ['Epoch', 'Agent', 'End', 'Log'], rows)}`
}

function logSection(jobId: string, tail: LogTail): Html {
  if (tail.kind === 'absent') return html`<h2>Log</h2><p>${tail.problem}</p>`
  const lines = tail.lines.map(({ number, text }) => html`${number}  ${text}\n`)
  const whole = html`<a href="../jobs/${jobId}/log?epoch=${tail.epoch}">the whole log as text</a>`
  return html`<h2 id="log">Log</h2>
<p>Last ${lines.length} lines of epoch ${tail.epoch}, as of now; ${whole}.</p>
<pre tabindex="0" aria-labelledby="log">${lines}</pre>`
}
