import { INPUT_BYTES_MAX, INPUTS_MAX } from '../core/graph-limits.ts'
import {
  JOBS_PER_RUN_MAX,
  MESSAGE_BYTES_MAX,
  NAME_CHARACTERS_MAX,
  REFERENCE_CHARACTERS_MAX,
  TITLE_CHARACTERS_MAX
} from '../core/limits.ts'
import { needsProblem } from '../core/needs.ts'
import type { Announcement, Manifest, ManifestError } from '../core/run.ts'
import type { Trust } from '../core/trust.ts'
import type { FieldReader } from './field-reader.ts'
import type { FieldWriter } from './field-writer.ts'
import { line, refuse, textBytes } from './fields.ts'
import { readJobSpec, writeJobSpec } from './job-spec-parts.ts'
import { checkCommit, readOrigin, writeOrigin } from './origin-parts.ts'
import { type PairCheck, toPairs } from './pairs.ts'
import { readPairs, withoutNul, writePair } from './spec-fields.ts'

export function writeAnnouncement(writer: FieldWriter, announcement: Announcement): void {
  writer.message(8, announcement.manifest, writeManifest)
  writer.count(7, 'floor', announcement.floor)
  writer.count(6, 'notAfterMs', announcement.notAfterMs)
  writer.count(5, 'issuedAtMs', announcement.issuedAtMs)
  writer.count(4, 'gwSeq', announcement.gwSeq, Number.MAX_SAFE_INTEGER, 1)
  writer.peerId(3, 'gateway', announcement.gateway)
  writer.count(2, 'witnessEpoch', announcement.witnessEpoch)
  writer.runId(1, 'runId', announcement.runId)
}

export function readAnnouncement(reader: FieldReader): Announcement {
  return {
    runId: reader.runId(1, 'runId'),
    witnessEpoch: reader.count(2, 'witnessEpoch'),
    gateway: reader.peerId(3, 'gateway'),
    gwSeq: reader.count(4, 'gwSeq', Number.MAX_SAFE_INTEGER, 1),
    issuedAtMs: reader.count(5, 'issuedAtMs'),
    notAfterMs: reader.count(6, 'notAfterMs'),
    floor: reader.count(7, 'floor'),
    manifest: reader.message(8, 'manifest', readManifest)
  }
}

function writeManifest(writer: FieldWriter, manifest: Manifest): void {
  checkManifest(manifest)
  const inputs = toPairs(manifest.inputs ?? {}, INPUTS_MAX, 'inputs', checkInput)
  writer.flag(12, 'fork', manifest.fork === true)
  writer.optionalLine(11, 'base', manifest.base, REFERENCE_CHARACTERS_MAX)
  writer.list(10, 'inputs', INPUTS_MAX, inputs, writePair)
  writer.flag(9, 'trust', isTrusted(manifest.trust))
  writer.optionalMessage(8, manifest.error, writeError)
  writer.list(7, 'jobs', JOBS_PER_RUN_MAX, manifest.jobs, writeJobSpec)
  writer.text(6, 'title', manifest.title, TITLE_CHARACTERS_MAX)
  writer.text(5, 'pusher', manifest.pusher, REFERENCE_CHARACTERS_MAX)
  writer.lineOrNone(4, 'before', manifest.before, NAME_CHARACTERS_MAX)
  writer.line(3, 'url', manifest.url, REFERENCE_CHARACTERS_MAX)
  writer.line(2, 'repository', manifest.repository, NAME_CHARACTERS_MAX)
  writer.message(1, manifest.origin, writeOrigin)
}

function readManifest(reader: FieldReader): Manifest {
  const manifest: Manifest = {
    origin: reader.message(1, 'origin', readOrigin),
    repository: reader.line(2, 'repository', NAME_CHARACTERS_MAX),
    url: reader.line(3, 'url', REFERENCE_CHARACTERS_MAX),
    before: reader.lineOrNone(4, 'before', NAME_CHARACTERS_MAX),
    pusher: reader.text(5, 'pusher', REFERENCE_CHARACTERS_MAX),
    title: reader.text(6, 'title', TITLE_CHARACTERS_MAX),
    jobs: reader.list(7, 'jobs', JOBS_PER_RUN_MAX, readJobSpec),
    error: reader.optionalMessage(8, 'error', readError),
    trust: reader.flag(9, 'trust') ? 'trusted' : 'untrusted',
    ...readSource(reader)
  }
  checkManifest(manifest)
  return manifest
}

function readSource(reader: FieldReader): Pick<Manifest, 'inputs' | 'base' | 'fork'> {
  const inputs = readPairs(reader, 10, 'inputs', INPUTS_MAX, checkInput)
  const base = reader.optionalLine(11, 'base', REFERENCE_CHARACTERS_MAX)
  return {
    ...(Object.keys(inputs).length === 0 ? {} : { inputs }),
    ...(base === undefined ? {} : { base }),
    ...(reader.flag(12, 'fork') ? { fork: true } : {})
  }
}

const checkInput: PairCheck = (key, value) => {
  line(key, NAME_CHARACTERS_MAX, 'input')
  withoutNul(textBytes(value, INPUT_BYTES_MAX, 'input value'), 'input value')
}

function checkManifest({ before, jobs, error, fork, trust }: Manifest): void {
  if (before !== '') checkCommit(before, 'before')
  // A register is `runId.index`: an index that is not its place would make two jobs of one.
  if (jobs.some(({ index }, place) => index !== place)) refuse('jobs', 'are not in order of index')
  const problem = needsProblem(jobs)
  if (problem !== undefined) refuse('needs', problem)
  // What a stranger wrote, with the secrets of the repository.
  if (fork === true && trust === 'trusted') refuse('trust', 'is that of a fork')
  if ((jobs.length === 0) !== (error !== undefined)) refuse('jobs', 'or an error, one is needed')
}

/** As `announcement.proto` numbers them: untrusted is what an absent field says. */
function isTrusted(trust: Trust): boolean {
  if (trust !== 'trusted' && trust !== 'untrusted') refuse('trust', `is ${JSON.stringify(trust)}`)
  return trust === 'trusted'
}

function writeError(writer: FieldWriter, error: ManifestError): void {
  writer.optionalText(5, 'path', error.path, REFERENCE_CHARACTERS_MAX)
  writer.optionalCount(4, 'column', error.column)
  writer.optionalCount(3, 'line', error.line)
  writer.textBytes(2, 'message', error.message, MESSAGE_BYTES_MAX)
  writer.line(1, 'code', error.code, NAME_CHARACTERS_MAX)
}

function readError(reader: FieldReader): ManifestError {
  return {
    code: reader.line(1, 'code', NAME_CHARACTERS_MAX),
    message: reader.textBytes(2, 'message', MESSAGE_BYTES_MAX),
    line: reader.optionalCount(3, 'line'),
    column: reader.optionalCount(4, 'column'),
    path: reader.optionalText(5, 'path', REFERENCE_CHARACTERS_MAX)
  }
}
