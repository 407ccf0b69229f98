import { kind } from './error-kind.ts'

/** What a member says of its disk and of what it keeps no more; part of MESH_ERRORS. */
export const STORAGE_ERRORS = {
  DISK_LOW: kind(5, 503, true, (f) =>
    f['free'] === undefined
      ? // Another member's: it says no more of it.
        `the disk of ${f['state']} is nearly full: no new run is begun there until ` +
        `${f['again']} % are free; make room on it`
      : `the disk of ${f['state']} has ${f['free']} free of ${f['total']}, less than ` +
        `${f['percent']} %: nothing new is begun here until ${f['again']} % are free; make room on it`
  ),
  PROOFS_UNREADABLE: kind(
    1,
    500,
    false,
    (f) =>
      `proofs in ${f['dir']} cannot be read: ${f['cause']}; run this as the user of the agent, and ` +
      'move away what is no folder'
  ),
  PROOF_INVALID: kind(
    1,
    500,
    false,
    (f) =>
      `proof ${f['file'] ?? ''} proves nothing: ${f['problem']}; it was damaged or is not of this ` +
      'program, move the file away'
  ),
  RESET_UNNEEDED: kind(
    1,
    409,
    false,
    (f) =>
      `nothing is wrong with the store ${f['store']} in ${f['dir']}: a new one makes this witness ` +
      'count as dead for all open jobs; give --yes if that is wanted'
  ),
  RUN_GONE: kind(
    4,
    410,
    false,
    (f) =>
      `run ${f['run']} has ended, and a majority of its witnesses keeps it no more: ` +
      'it is not run again'
  ),
  STATE_UNREADABLE: kind(
    1,
    500,
    false,
    (f) =>
      `${f['path']} cannot be read (${f['cause']}): run this as the user of the agent, or as root; ` +
      'where that does not help, look at its disk'
  )
} as const
