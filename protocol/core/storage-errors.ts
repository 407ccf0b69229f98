import { kind } from './error-kind.ts'

/** What a member says of its disk and of what it keeps no more; part of MESH_ERRORS. */
export const STORAGE_ERRORS = {
  RUN_GONE: kind(
    4,
    410,
    false,
    (f) =>
      `run ${f['run']} has ended, and a majority of its witnesses keeps it no more: ` +
      'it is not run again'
  )
} as const
