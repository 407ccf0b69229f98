import { type ErrorKind, kind } from './error-kind.ts'

/** What can go wrong with what runs beside a job; part of MESH_ERRORS. */
export const SERVICE_ERRORS = {
  SERVICE_NOT_READY: kind(
    1,
    400,
    false,
    (f) =>
      `service ${f['service']} of ${f['job']} was never ready: it ${f['problem']}; what it wrote ` +
      "is in the job's log"
  )
} as const satisfies Readonly<Record<string, ErrorKind>>
