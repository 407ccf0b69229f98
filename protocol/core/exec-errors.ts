import { type ErrorKind, kind } from './error-kind.ts'

/** What `agent exec` can fail of; part of MESH_ERRORS. */
export const EXEC_ERRORS = {
  EXEC_JOB_UNKNOWN: kind(
    4,
    404,
    false,
    (f) => `${f['file']} has no job ${f['job']}${f['entry']}: it has ${f['known']}`
  ),
  EXEC_JOB_AMBIGUOUS: kind(
    4,
    409,
    false,
    (f) => `${f['job']} has several entries: choose one with --matrix KEY=VALUE: ${f['known']}`
  ),
  EXEC_NO_RUN: kind(
    1,
    409,
    false,
    (f) => `${f['reason']}: say what should start it with --event and --branch`
  ),
  EXEC_SECRETS_ABSENT: kind(
    1,
    403,
    false,
    (f) =>
      `${f['job']} names secrets, and no gateway gives any here: ${f['names']}; give each with ` +
      '--secret-file NAME=PATH'
  ),
  EXEC_HOST_LACKING: kind(
    1,
    409,
    false,
    (f) => `this host does not run ${f['job']}: ${f['lacking']}`
  ),
  EXEC_SOURCE_REFUSED: kind(
    1,
    400,
    false,
    (f) => `${f['folder']} cannot be the source: ${f['problem']}`
  ),
  EXEC_UNGUARDED: kind(
    78,
    503,
    true,
    (f) => `no container is started that nobody would end: ${f['cause']}; see ${f['log']}`
  ),
  EXEC_INTERRUPTED: kind(
    1,
    503,
    true,
    (f) => `${f['job']} was not run to its end (${f['reason']}): ${f['cause']}; run it again`
  )
} as const satisfies Readonly<Record<string, ErrorKind>>
