import { type ErrorKind, kind } from './error-kind.ts'

/** What calls to a Git server's API can fail of; part of MESH_ERRORS. No message holds a token. */
export const FORGE_ERRORS = {
  FORGE_REFUSED: kind(
    1,
    502,
    false,
    (f) =>
      `${f['host']} refused to ${f['action']} (${f['status']}): ${f['cause']}; look at the ` +
      "repository's `credential` and `api` in gateway.yaml"
  ),
  FORGE_UNREACHABLE: kind(
    5,
    503,
    true,
    (f) => `${f['host']} could not be asked to ${f['action']}: ${f['cause']}; it is tried again`
  ),
  FORGE_LIMITED: kind(
    5,
    503,
    true,
    (f) =>
      `${f['host']} takes no more requests for ${f['afterS']} s: it is asked to ${f['action']} then`
  ),
  HOOK_SLOW: kind(
    5,
    503,
    true,
    (f) =>
      `the delivery was not on disk within ${f['ms']} ms: send it again; if it gets there after all, ` +
      'both are one run'
  ),
  CREDENTIAL_UNKNOWN: kind(
    4,
    404,
    false,
    (f) => `no credential ${f['name']}: see \`gateway credential list\``
  ),
  CREDENTIAL_INVALID: kind(2, 400, false, (f) => `credential ${f['name']}: ${f['problem']}`),
  CREDENTIAL_UNREADABLE: kind(
    78,
    500,
    false,
    (f) =>
      `credential ${f['name']} cannot be read with the key in ${f['file']}: bring back the key ` +
      'that it was set with, or set it again'
  )
} as const satisfies Readonly<Record<string, ErrorKind>>
