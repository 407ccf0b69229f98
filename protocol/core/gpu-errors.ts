import { type ErrorKind, kind } from './error-kind.ts'

/** What a lease on GPUs can fail of before its job begins; part of MESH_ERRORS. */
export const GPU_ERRORS = {
  GPU_LOST: kind(
    1,
    503,
    true,
    (f) =>
      `job ${f['job']} was to have ${f['gpu']}, which is ${f['health']} since it was claimed ` +
      `(${f['reason']}): the job goes back to the queue, and another GPU may take it`
  ),
  GPU_TAKEN: kind(
    1,
    503,
    true,
    (f) =>
      `job ${f['job']} was to have ${f['gpu']}, which the container ${f['container']} of this engine ` +
      'has: the job goes back to the queue; agents of one engine share its GPUs out with `gpus.ignore` ' +
      'in agent.yaml'
  )
} as const satisfies Readonly<Record<string, ErrorKind>>
