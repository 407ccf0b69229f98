import type { Command } from 'commander'
import { parseGrace } from '../../protocol/api/cancel-order.ts'
import { idSchema, textSchema } from '../../protocol/api/job-query.ts'
import { type JobDocument, jobSchema } from '../../protocol/api/job-schema.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import { CANCEL_WAIT_MS_MAX } from '../../protocol/core/follow-limits.ts'
import { TERM_GRACE_MS } from '../../protocol/core/limits.ts'
import { jsonText } from '../../protocol/host/command-text.ts'
import { SilentExit } from '../../protocol/host/exit.ts'
import { harmless } from '../../protocol/host/harmless.ts'
import { pause } from '../../protocol/mesh/bounds/pause.ts'
import { type CancelledView, cancelledSchema } from '../control/contract.ts'
import { checked } from './argument.ts'
import {
  type CommonOptions,
  type Context,
  common,
  contextOf,
  type Surroundings
} from './command.ts'
import { ENDED } from './logs.ts'

interface CancelOptions extends CommonOptions {
  readonly reason?: string
  readonly grace?: string
  readonly wait: boolean
}

/** Milliseconds between two looks at a job that is to end. */
const LOOK_MS = 500

export function cancelCommand(program: Command, around: Surroundings): void {
  common(program.command('cancel <job>'))
    .description('end a job: a queued one at once, a running one by its holder')
    .option('--reason <text>', 'shown with the job')
    .option(
      '--grace <time>',
      'of its steps after SIGTERM, as in 30s or 2m; 5s otherwise; the first order counts'
    )
    .option('--no-wait', 'do not wait until a running one has ended')
    .option('--json', 'one document, schema agent.cancelled/1')
    .action(async (job: string, options: CancelOptions) => {
      const context = contextOf(options, around)
      checked('JOB', idSchema.shape.id, job)
      const reason =
        options.reason === undefined ? undefined : checked('--reason', textSchema, options.reason)
      const graceMs = options.grace === undefined ? TERM_GRACE_MS : graceMsOf(options.grace)
      const path = `/v1/jobs/${encodeURIComponent(job)}/cancel`
      const order = { reason, grace: options.grace }
      const asked = await context.client.post(path, order, cancelledSchema)
      const wait = options.wait
      // Whoever asks for a quick end must not sit through another's grace without a word.
      if (isHeldUp(asked, graceMs)) return tellHeldUp(context, asked, wait)
      await report(context, asked, wait ? CANCEL_WAIT_MS_MAX + graceMs : 0)
    })
}

function graceMsOf(text: string): number {
  const parsed = parseGrace(text)
  if (parsed.kind === 'value') return parsed.value
  throw new MeshError('USAGE', { problem: `--grace ${text}: ${parsed.text}` })
}

/** True where an order before this one gives the steps more time than this one would. */
function isHeldUp({ verdict, job }: CancelledView, graceMs: number): boolean {
  return verdict === 'requested' && givenMs(job.cancel) > graceMs
}

/** What a job's order to cancel gives its steps: none where there is no order. */
function givenMs(cancel: JobDocument['cancel']): number {
  return cancel ? (cancel.graceMs ?? TERM_GRACE_MS) : 0
}

function tellHeldUp({ console, json }: Context, asked: CancelledView, wait: boolean): void {
  const { shortId, cancel } = asked.job
  if (json) console.out(jsonText(asked))
  else {
    const { by, reason } = cancel ?? { by: '', reason: '' }
    const first = `${by} asked before to stop ${shortId} (${reason})`
    const grace = `its steps have ${givenMs(cancel) / 1_000} s from then on`
    console.err(`${harmless(`${first}: ${grace}, the first order counts; see agent jobs`)}\n`)
  }
  if (wait) throw new SilentExit(5)
}

async function report(context: Context, asked: CancelledView, waitMs: number): Promise<void> {
  const wait = waitMs > 0
  const { console, json } = context
  const holder = asked.job.holder ?? 'its holder'
  if (asked.verdict === 'requested' && !json) {
    const then = wait ? ': waiting until it has stopped' : ''
    console.err(`${harmless(`asked ${holder} to stop ${asked.job.shortId}${then}`)}\n`)
  }
  const isOpen = asked.verdict === 'requested' && wait
  const job = isOpen ? await ended(context, asked.job, waitMs) : asked.job
  if (json) console.out(jsonText({ ...asked, job }))
  else if (job.state === 'cancelled') console.out(`${harmless(job.shortId)} cancelled\n`)
  else if (ENDED.has(job.state)) {
    // The register decides which of the two came first, and this time it was the end (4.12.11).
    console.err(`${harmless(`${job.shortId} ended before it could be stopped: ${job.state}`)}\n`)
  } else if (wait) {
    console.err(`${harmless(job.shortId)} has not ended yet: the order stands, see agent jobs\n`)
  }
  if (job.state === 'cancelled' || !wait) return
  throw new SilentExit(ENDED.has(job.state) ? 1 : 5)
}

/** The job once it has ended, or after `waitMs` as it is then. */
async function ended(
  { client, clock }: Context,
  asked: JobDocument,
  waitMs: number
): Promise<JobDocument> {
  const endMs = clock.bootMs() + waitMs
  let job = asked
  while (!ENDED.has(job.state) && clock.bootMs() < endMs) {
    await pause(clock, LOOK_MS, new AbortController().signal)
    job = await client.get(`/v1/jobs/${job.id}`, jobSchema)
  }
  return job
}
