import { type ErrorKind, kind } from './error-kind.ts'

const REFUSALS: Readonly<Record<string, string>> = {
  unset: 'the repository has no such secret: set it with `gateway secret set`',
  unnamed: 'the signed job does not name it',
  untrusted: 'its run is not trusted: see `trusted` of the repository in gateway.yaml',
  event: 'its rules do not allow the event of this run',
  branch: 'its rules do not allow this branch: see `gateway secret list`',
  image: 'its rules do not allow the image of this job: see `gateway secret list`',
  registry:
    'it is not a login for the registry that the job names it for, or one without `registry`',
  isolation: 'the job does not ask for the isolation that it is set for, or its host offers none',
  runner:
    "its forge gives this slot no runner, or no job waits for one any more: see the gateway's log",
  forgotten: "its gateway has no more what it gave, or cannot read it: see the gateway's log",
  unreadable: 'the gateway cannot read it: see its log',
  too_often: 'it has been released too often for this attempt: it is asked again later',
  too_large: 'the secrets of this job are too large together'
}

/** What secrets can fail of; part of MESH_ERRORS. No message ever holds a value. */
export const SECRET_ERRORS = {
  SECRET_INVALID: kind(
    2,
    400,
    false,
    (f) => `the value of ${f['name']} is refused: ${f['problem']}`
  ),
  SECRET_UNKNOWN: kind(
    4,
    404,
    false,
    (f) => `no secret ${f['name']} of ${f['repository']}: see \`gateway secret list\``
  ),
  SECRET_UNREADABLE: kind(
    78,
    500,
    false,
    (f) =>
      `secret ${f['name']} of ${f['repository']} cannot be read with the key in ${f['file']}: ` +
      'bring back the key that it was set with, or set it again'
  ),
  SLOT_UNREADABLE: kind(
    78,
    500,
    false,
    (f) =>
      `what attempt ${f['epoch']} of slot ${f['slot']} was given ${f['problem']}: its log cannot ` +
      `be masked and is not kept; bring back the store, and in ${f['file']} the key, that it was ` +
      'sealed with, or let the slot end'
  ),
  SECRET_REFUSED: kind(
    1,
    403,
    false,
    (f) => `secret ${f['name']} is not given to this job: ${REFUSALS[`${f['reason']}`]}`
  ),
  SECRETS_UNAVAILABLE: kind(
    5,
    503,
    true,
    (f) => `the secrets of this job could not be had from gateway ${f['gateway']}: ${f['cause']}`
  )
} as const satisfies Record<string, ErrorKind>
