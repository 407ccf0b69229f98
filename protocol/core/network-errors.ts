import { type ErrorKind, kind } from './error-kind.ts'

/** What can go wrong with the network of a job; part of MESH_ERRORS. */
export const NETWORK_ERRORS = {
  NETWORK_UNENFORCED: kind(
    1,
    500,
    true,
    (f) =>
      `this host's rules for job networks cannot be proven to be in place: ${f['cause']}; no job ` +
      'gets a network without them: see docs/operating.md'
  ),
  NETWORK_NOT_OFFERED: kind(
    1,
    403,
    false,
    (f) =>
      `${f['job']} needs network ${f['wanted']}, this host offers ${f['offered']}: let its owner ` +
      'offer it (`network` in agent.yaml)'
  )
} as const satisfies Readonly<Record<string, ErrorKind>>
