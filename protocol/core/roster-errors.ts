import { type ErrorKind, kind } from './error-kind.ts'

/** What a change of the roster can get in the way of; part of MESH_ERRORS. */
export const ROSTER_ERRORS = {
  RUN_SUPERSEDED: kind(
    1,
    409,
    true,
    (f) =>
      `run ${f['id']} can begin no more under witness epoch ${f['witnessEpoch']}, since the roster ` +
      'has changed: the gateway announces it anew under the current one'
  ),
  EPOCH_UNREACHABLE: kind(
    5,
    503,
    true,
    (f) =>
      `the run may have begun under witness epoch ${f['epoch']}: ${f['answered']} of its ` +
      `${f['witnesses']} witnesses can be reached, ${f['quorum']} of a run are needed: start them, ` +
      `or, once they will never come back, run \`agent reseal --epoch ${f['epoch']}\``
  ),
  WITNESS_UNKNOWN: kind(
    4,
    404,
    false,
    (f) => `no witness is called ${f['name']}: see \`agent status\` for its name`
  ),
  EPOCH_CURRENT: kind(
    1,
    409,
    false,
    (f) =>
      `witness epoch ${f['epoch']} is not an earlier one, the current one is ${f['current']}: take ` +
      'the seats of its lost witnesses with --without, or admit others first'
  ),
  RESEAL_UNCONFIRMED: kind(
    2,
    400,
    false,
    (f) =>
      `jobs of witness epoch ${f['epoch']} that still run may run a second time: once no majority ` +
      'of its witnesses will ever come back, say --yes'
  )
} as const satisfies Record<string, ErrorKind>
