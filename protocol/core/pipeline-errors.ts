import { type ErrorKind, kind } from './error-kind.ts'

/** What can go wrong with a pipeline file; part of MESH_ERRORS. */
export const PIPELINE_ERRORS = {
  PIPELINE_INVALID: kind(
    1,
    422,
    false,
    (f) => `${f['file']}:${f['line']}:${f['column']}: ${f['path']}: ${f['problem']}`
  ),
  PIPELINE_ABSENT: kind(
    1,
    404,
    false,
    (f) => `${f['commit']} has no ${f['file']}: add one to the repository's root`
  ),
  PIPELINE_UNREADABLE: kind(
    4,
    404,
    false,
    (f) =>
      `${f['file']} cannot be read (${f['cause']}): name a pipeline file, or - for standard input`
  ),
  INPUT_INVALID: kind(
    2,
    422,
    false,
    (f) => `${f['file']}:${f['line']}:${f['column']}: input ${f['input']} ${f['problem']}`
  )
} as const satisfies Readonly<Record<string, ErrorKind>>
