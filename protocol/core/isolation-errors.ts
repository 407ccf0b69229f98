import { type ErrorKind, kind } from './error-kind.ts'

/** What keeps a job apart from its host is not enough; part of MESH_ERRORS. */
export const ISOLATION_ERRORS = {
  ISOLATION_LACKING: kind(
    1,
    403,
    false,
    (f) =>
      `an untrusted job needs ${f['required']} here (isolation.require in agent.yaml), and the ` +
      `engine gives ${f['offered']}: set it up for that, and start the agent again`
  ),
  BUILDER_REFUSED: kind(
    1,
    403,
    false,
    (f) =>
      `job ${f['job']} builds images (\`builder: true\`), and its run is not trusted: such jobs run ` +
      'for trusted runs only; push the commit to a branch that the gateway trusts'
  ),
  BUILDER_LACKING: kind(
    1,
    403,
    false,
    (f) =>
      `job ${f['job']} builds images, and this host does not offer that: set \`builder: offer\` in ` +
      'agent.yaml, and see `agent status` for what keeps it from doing so'
  ),
  SOURCE_TOO_LARGE: kind(
    1,
    400,
    false,
    (f) =>
      `the source does not fit into the ${f['mib']} MiB of ${f['of']} that the job's workspace is ` +
      `in: raise resources.${f['of']}`
  )
} as const satisfies Record<string, ErrorKind>
