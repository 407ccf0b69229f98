import { type ErrorKind, kind } from './error-kind.ts'

/** What can go wrong on the way into a mesh; part of MESH_ERRORS. */
export const JOIN_ERRORS = {
  JOIN_STRING_INVALID: kind(
    2,
    400,
    false,
    (f) =>
      `this is no usable join string: ${f['problem']}; copy the whole line that \`agent invite\` printed`
  ),
  INVITE_EXPIRED: kind(
    1,
    403,
    false,
    (f) =>
      `the invite was good until ${f['until']}, now it is ${f['now']}: set the clock if that is ` +
      'wrong, else make another one with `agent invite`'
  ),
  INVITE_USED: kind(
    1,
    403,
    false,
    () =>
      'the invite was used by another host already: make another one with `agent invite`, and ' +
      'look in `agent status` for a member that you do not know'
  ),
  INVITE_UNKNOWN: kind(
    1,
    403,
    false,
    (f) =>
      `${f['inviter']} knows of no such invite: the join string was changed or made up, or ended ` +
      'long ago; make another one with `agent invite`'
  ),
  INVITE_FORGED: kind(
    1,
    403,
    false,
    (f) =>
      `${f['inviter']} does not take the proof: what this host sent is not what it received; ` +
      'make another invite with `agent invite`'
  ),
  INVITE_CLOSED: kind(
    1,
    403,
    false,
    (f) =>
      `${f['inviter']} lets no stranger in now: the invite was used, or has ended by that host's ` +
      'clock; make another one with `agent invite`'
  ),
  INVITE_ROLE_OTHER: kind(
    1,
    403,
    false,
    (f) => `the invite admits as ${f['roles']}, not as ${f['wanted']}: ${f['fix']}`
  ),
  INVITER_UNREACHABLE: kind(
    5,
    503,
    true,
    (f) =>
      `${f['inviter']} cannot be reached at ${f['addresses']} (${f['cause']}): is \`agent start\` ` +
      'running there, and does a firewall let this host through? A host that was revoked gets no ' +
      'answer: empty its state folder, which makes a new key'
  ),
  JOIN_REFUSED: kind(
    1,
    502,
    false,
    (f) => `${f['inviter']} did not admit this host: ${f['problem']}`
  ),
  NAME_TAKEN: kind(
    1,
    409,
    false,
    (f) => `the name ${f['name']} belongs to another member: choose another one with --name`
  ),
  STATE_BOUND: kind(
    78,
    409,
    false,
    (f) => `${f['state']} belongs to the mesh of ${f['authority']}: use another --state`
  )
} as const satisfies Record<string, ErrorKind>
