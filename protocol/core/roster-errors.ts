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
  ),
  MEMBER_UNKNOWN: kind(
    4,
    404,
    false,
    (f) =>
      `no member is called ${f['name']} or has that peer id: see \`agent status -o wide\`; one that ` +
      'was revoked is in no list any more'
  ),
  PEER_REVOKED: kind(
    1,
    409,
    false,
    (f) =>
      `${f['peer']} was revoked in roster ${f['version']} or before and cannot return: to let its host ` +
      'in, empty the state folder there, which makes a new key, and join again'
  ),
  REVOKE_SELF: kind(
    1,
    409,
    false,
    (f) =>
      `${f['name']} is this host itself, whose authority’s key signs the rosters: no other could go ` +
      'on with the mesh; `agent drain` takes it out of service, a new mesh begins with `agent init`'
  ),
  REVOKE_LAST_AGENT: kind(
    1,
    409,
    false,
    (f) =>
      `without ${f['name']} no agent is left of ${f['agents']}: let another host join first, with ` +
      '`agent invite --role agent`'
  ),
  REVOKE_LOSES_MAJORITY: kind(
    1,
    409,
    false,
    (f) =>
      `without ${f['name']} runs of witness epoch ${f['epoch']} may lose ${f['lost']} of their ` +
      `${f['w']} witnesses, at most ${f['spare']} may go: \`agent unseat ${f['name']}\` first and ` +
      'revoke once its jobs have moved; or, at once and with jobs that may run twice, ' +
      `\`agent reseal --epoch ${f['epoch']} ${f['without']}\` first`
  ),
  REVOKED_FULL: kind(
    1,
    409,
    false,
    (f) =>
      `with these ${f['count']} peers would be revoked, a roster holds ${f['max']}, and none of them ` +
      'leaves it: begin a new mesh with `agent init`'
  )
} as const satisfies Record<string, ErrorKind>
