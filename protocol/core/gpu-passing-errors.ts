import { type ErrorKind, kind } from './error-kind.ts'

/** A job leases a GPU that its container cannot have; part of MESH_ERRORS. */
export const GPU_PASSING_ERRORS = {
  GPU_REFUSED: kind(
    1,
    403,
    false,
    (f) =>
      `job ${f['job']} leases ${f['gpu']}, and this host cannot give it: ${f['cause']}; the job goes ` +
      'back to the queue, and another host may take it'
  ),
  GPU_NOT_PASSED: kind(
    1,
    500,
    true,
    (f) =>
      `the engine could not give job ${f['job']} its GPUs: ${f['cause']}; the job goes back to the ` +
      'queue, and they take no job until they have been read twice without a fault; see `agent status`'
  )
} as const satisfies Record<string, ErrorKind>
