import type { BoardJob } from '../core/board-job.ts'
import type { HostOutlook, Requirement } from '../core/outlook.ts'
import type { TextDigest } from '../core/ports.ts'
import { waitingOf } from '../core/waiting.ts'
import { jobContext, jobDocument } from './job-document.ts'
import type { Sources } from './sources.ts'
import type { WhyDocument } from './why-schema.ts'

/** Why the job waits, as both programs say it. */
export function whyDocument(job: BoardJob, sources: Sources, digest: TextDigest): WhyDocument {
  const context = jobContext(sources)
  const waiting = waitingOf(job, { ...context, digest })
  return {
    job: jobDocument(job, context),
    waits: waiting !== undefined,
    resolves: waiting?.resolves ?? true,
    fix: waiting?.fix || null,
    ahead: waiting?.ahead ?? 0,
    hosts: (waiting?.hosts ?? []).map(hostOutlook)
  }
}

// Key by key: a new field of the domain must not get out, the schema would refuse the whole answer.
function hostOutlook(host: HostOutlook): WhyDocument['hosts'][number] {
  const { peerId, name, observed, takes, resolves } = host
  return {
    peerId,
    name,
    state: observed,
    takes,
    resolves,
    requirements: host.requirements.map(row)
  }
}

function row({ requirement, wanted, offered, met, resolves, fix }: Requirement) {
  return { requirement, wanted, offered, met, resolves, fix: fix || null }
}
