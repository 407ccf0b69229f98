import { type ErrorKind, kind } from './error-kind.ts'

/** What keeps a job apart from its host is not enough; part of MESH_ERRORS. */
export const ISOLATION_ERRORS = {
  ADOPTION_DIFFERS: kind(
    1,
    500,
    false,
    (f) =>
      `the container of ${f['job']}, made before this agent's start, is not as it would be made ` +
      `now (${f['difference']}): it is removed, and its lease given back; drain an agent before ` +
      'its settings or its version change'
  ),
  ISOLATION_LACKING: kind(
    1,
    403,
    false,
    (f) =>
      `the job needs isolation ${f['required']}, by its own word or by isolation.require in ` +
      `agent.yaml, and this host gives ${f['offered']}: it goes back to the queue; set the engine ` +
      'up for that, or ask for less'
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
