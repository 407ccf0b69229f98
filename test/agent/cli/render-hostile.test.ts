import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Console } from '../../../agent/cli/console.ts'
import { renderJobs } from '../../../agent/cli/render-jobs.ts'
import { renderLogHead, renderLogLines, renderVerdict } from '../../../agent/cli/render-log.ts'
import { renderPeer, renderStatus } from '../../../agent/cli/render-status.ts'
import type { LogView, PeerView, StatusView } from '../../../agent/control/contract.ts'
import { statusView } from '../../../agent/control/status-view.ts'
import { jobContext, jobDocument } from '../../../protocol/api/job-document.ts'
import type { JobDocument } from '../../../protocol/api/job-schema.ts'
import { arbitraryText } from '../../support/arbitrary-text.ts'
import { controlParts, RUN } from '../../support/control-parts.ts'

/* Everything that a member, a repository or a job can write is written into what people read. */

const POWERFUL = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u
/** Fields that the daemon's answer is checked for: no text of others fits them. */
const OURS = new Set(['schema', 'state', 'at', 'announcedAt', 'roles', 'stream', 'from', 'native'])

/** The document with `text` in the place of every text that comes from elsewhere. */
function hostile<T>(document: T, text: string, field = ''): T {
  if (OURS.has(field)) return document
  if (typeof document === 'string') return `${text}${document}${text}` as T
  if (Array.isArray(document)) return document.map((inner) => hostile(inner, text, field)) as T
  if (typeof document !== 'object' || document === null) return document
  const entries = Object.entries(document)
  // Labels are the one place where others write the names of fields.
  const name = (key: string) => (field === 'labels' ? `${text}${key}` : key)
  return Object.fromEntries(
    entries.map(([key, inner]) => [name(key), hostile(inner, text, key)])
  ) as T
}

function documents() {
  const parts = controlParts()
  const status: StatusView = {
    ...statusView(parts),
    health: [{ code: 'X', message: 'disk: full', fix: 'free some' }]
  }
  const known = parts.board.job(`${RUN}.0`)
  if (known === undefined) throw new Error('the board has the job')
  const view = jobDocument(known, jobContext(parts))
  const stage = { name: 'step', step: 1, steps: 2 }
  const jobs: JobDocument[] = [
    { ...view, holder: 'onyx', state: 'leased', stage: { ...stage, name: 'checkout' } },
    { ...view, holder: 'onyx', state: 'failed', why: 'step "x" exited 2', durationMs: 1_000 }
  ]
  return { status, jobs }
}

const LINE = { number: 1, at: new Date(0).toISOString(), step: 1, stream: 'out' } as const
const { status, jobs } = documents()
const [leased, failed] = jobs as [JobDocument, JobDocument]

/** Every renderer of the commands, on a document into which `text` was written. */
const RENDERERS: Readonly<Record<string, (text: string, console: Console) => string>> = {
  status: (text, console) => renderStatus(hostile(status, text), console),
  peer: (text) => status.peers.map((peer: PeerView) => renderPeer(hostile(peer, text))).join(''),
  jobs: (text, console) => renderJobs(hostile(jobs, text), console),
  verdict: (text, console) => `${renderVerdict(hostile(failed, text), console)}\n`,
  head: (text) => renderLogHead({ job: hostile(leased, text), epoch: 1 } as LogView),
  lines: (text, console) => {
    const style = { timestamps: true, person: true }
    const lines = [
      { ...LINE, text },
      { ...LINE, text, stream: 'mesh' as const }
    ]
    return renderLogLines(lines, 0, style, console)
  }
}

const PLAIN: Console = {
  out: () => undefined,
  err: () => undefined,
  paint: (_colour, text) => text,
  columns: undefined,
  unicode: true
}
const TERMINAL: Console = {
  ...PLAIN,
  paint: (_colour, text) => `\u001b[31m${text}\u001b[39m`,
  columns: 120
}
/** What a terminal may get from us: our colours, and in a log those of the job, and its tabs. */
const ALLOWED = /\u001b\[[0-9;]*m|\t/g

test.each(Object.entries(RENDERERS))(
  'nothing written by others has power over the reader: %s',
  (_name, render) => {
    const rows = render('', PLAIN).split('\n').length
    fc.assert(
      fc.property(arbitraryText(30), (text) => {
        for (const console of [PLAIN, TERMINAL]) {
          const shown = render(text, console).split('\n')
          expect(shown).toHaveLength(rows)
          expect(shown.join('').replace(ALLOWED, '')).not.toMatch(POWERFUL)
        }
      })
    )
  }
)

test.each(Object.entries(RENDERERS).filter(([name]) => name !== 'lines'))(
  'only a log keeps colours and tabs of others: %s',
  (_name, render) => {
    expect(render('\u001b[31m\t', PLAIN)).not.toMatch(/[\u001b\t]/)
  }
)

test('what is written into the documents is shown, so that the test above sees it', () => {
  for (const [name, render] of Object.entries(RENDERERS)) {
    expect(render('WRITTEN', PLAIN), name).toContain('WRITTEN')
  }
})
