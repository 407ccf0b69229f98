import {
  JOBS_PER_RUN_MAX,
  MESSAGE_BYTES_MAX,
  NAME_CHARACTERS_MAX,
  REFERENCE_CHARACTERS_MAX,
  TITLE_CHARACTERS_MAX
} from '../core/limits.ts'
import type { Announcement, JobSpec, Manifest, ManifestError } from '../core/run.ts'
import { type Limits, loose } from './codec.ts'
import {
  count,
  line,
  list,
  need,
  optional,
  peerId,
  refuse,
  runId,
  text,
  textBytes
} from './fields.ts'
import type * as wire from './generated/announcement.ts'
import { JOB_SPEC_LIMITS, jobSpecFromWire, jobSpecToWire } from './job-spec-parts.ts'
import { commitId, originFromWire, originParts } from './origin-parts.ts'

export const ANNOUNCEMENT_LIMITS = {
  manifest: { jobs: JOBS_PER_RUN_MAX, jobs$: JOB_SPEC_LIMITS }
} satisfies Limits<wire.Announcement>

export function announcementToWire(announcement: Announcement): wire.Announcement {
  return { ...heading(announcement), manifest: manifestToWire(announcement.manifest) }
}

export function announcementFromWire(message: wire.Announcement): Announcement {
  const manifest = manifestFromWire(need(message.manifest, 'manifest'))
  return { ...heading(message), manifest }
}

type Heading = Omit<Announcement, 'manifest'>

function heading(announcement: Heading): Heading {
  return {
    runId: runId(announcement.runId, 'runId'),
    witnessEpoch: count(announcement.witnessEpoch, 'witnessEpoch'),
    gateway: peerId(announcement.gateway, 'gateway'),
    gwSeq: count(announcement.gwSeq, 'gwSeq', Number.MAX_SAFE_INTEGER, 1),
    issuedAtMs: count(announcement.issuedAtMs, 'issuedAtMs'),
    notAfterMs: count(announcement.notAfterMs, 'notAfterMs'),
    floor: count(announcement.floor, 'floor')
  }
}

function manifestToWire(manifest: Manifest): wire.Manifest {
  checkJobs(manifest.jobs, manifest.error)
  return loose<wire.Manifest>({
    ...describing(manifest),
    origin: originParts(manifest.origin),
    jobs: list(manifest.jobs, JOBS_PER_RUN_MAX, 'jobs', jobSpecToWire),
    error: optional(manifest.error, errorToWire)
  })
}

function manifestFromWire(message: wire.Manifest): Manifest {
  const jobs = list(message.jobs, JOBS_PER_RUN_MAX, 'jobs', jobSpecFromWire)
  const error = optional(message.error, errorFromWire)
  checkJobs(jobs, error)
  const origin = originFromWire(need(message.origin, 'origin'))
  return { ...describing(message), origin, jobs, error }
}

// A register is `runId.index`: an index that is not its place would make two jobs of one register.
function checkJobs(jobs: readonly JobSpec[], error: ManifestError | undefined): void {
  if (jobs.some(({ index }, place) => index !== place)) refuse('jobs', 'are not in order of index')
  if ((jobs.length === 0) !== (error !== undefined)) refuse('jobs', 'or an error, one is needed')
}

type Description = Pick<Manifest, 'repository' | 'url' | 'before' | 'pusher' | 'title'>

function describing(manifest: Description): Description {
  return {
    repository: line(manifest.repository, NAME_CHARACTERS_MAX, 'repository'),
    url: line(manifest.url, REFERENCE_CHARACTERS_MAX, 'url'),
    before: manifest.before === '' ? '' : commitId(manifest.before, 'before'),
    pusher: text(manifest.pusher, REFERENCE_CHARACTERS_MAX, 'pusher'),
    title: text(manifest.title, TITLE_CHARACTERS_MAX, 'title')
  }
}

function errorToWire(error: ManifestError): wire.ManifestError {
  return loose<wire.ManifestError>({
    code: line(error.code, NAME_CHARACTERS_MAX, 'code'),
    message: textBytes(error.message, MESSAGE_BYTES_MAX, 'message'),
    line: optional(error.line, (value) => count(value, 'line')),
    column: optional(error.column, (value) => count(value, 'column')),
    path: optional(error.path, (value) => text(value, REFERENCE_CHARACTERS_MAX, 'path'))
  })
}

function errorFromWire(message: wire.ManifestError): ManifestError {
  return {
    code: line(message.code, NAME_CHARACTERS_MAX, 'code'),
    message: textBytes(message.message, MESSAGE_BYTES_MAX, 'message'),
    line: optional(message.line, (value) => count(value, 'line')),
    column: optional(message.column, (value) => count(value, 'column')),
    path: optional(message.path, (value) => text(value, REFERENCE_CHARACTERS_MAX, 'path'))
  }
}
