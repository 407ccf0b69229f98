import { type Profile, WORKSPACE_INSIDE } from './sandbox-profile.ts'
import { SECCOMP_OPTION } from './seccomp-filter.ts'

/** Enough for apt, apk and npm as root; never NET_RAW, MKNOD, SYS_* or NET_ADMIN. */
const CAPABILITIES = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID']

/**
 * What a trusted job runs in, and any job on an engine whose root is nobody on the host. Steps run
 * as the image's user, with what its own rights leave of the capabilities.
 */
export const STANDARD: Profile = {
  name: 'standard',
  guard: '0:0',
  helper: '0:0',
  user: undefined,
  env: [],
  capabilities: CAPABILITIES,
  seccomp: SECCOMP_OPTION,
  readOnlyRoot: false,
  volumes: ({ disk }) => [{ suffix: '', target: WORKSPACE_INSIDE, disk }]
}
