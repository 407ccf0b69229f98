import { BUSYBOX_INSIDE } from '../execute/guard.ts'
import type { RuntimeClass } from '../execute/runtime.ts'

/** What a program sees of the kernel that it runs on. */
export interface SeenKernel {
  /** As `uname -r` says. */
  readonly release: string
  /** What the box's root is outside, and how many users there are: `0 0 4294967295` for itself. */
  readonly users: string
  /** First words that the kernel wrote to its log; '' where it keeps them to itself. */
  readonly log: string
}

/** Prints what `seenKernel` reads. */
export const LOOK: readonly string[] = [
  BUSYBOX_INSIDE,
  'sh',
  '-c',
  [
    '"$0" uname -r',
    'read -r inside outside count </proc/self/uid_map',
    'echo "$inside $outside $count"',
    '"$0" dmesg 2>/dev/null | "$0" head -n 3'
  ].join('\n'),
  BUSYBOX_INSIDE
]

const GVISOR_LOG = /Starting gVisor/
const OWN_USERS = '0 0 4294967295'

export function seenKernel(said: string): SeenKernel {
  const [release = '', users = '', ...log] = said.split('\n')
  return { release: release.trim(), users: users.trim(), log: log.join('\n') }
}

/** Why a container was not what its runtime's class promises; undefined where it was. */
export function pretence(
  kind: RuntimeClass,
  { release, users, log }: SeenKernel,
  hostRelease: string
): string | undefined {
  const isGvisor = GVISOR_LOG.test(log)
  switch (kind) {
    case 'gvisor':
      return isGvisor ? undefined : `its kernel, ${release}, does not say that it is gVisor`
    case 'vm':
      if (isGvisor) return 'its kernel says that it is gVisor, not one of a virtual machine'
      if (release !== '' && release !== hostRelease) return undefined
      return `it runs on the host's own kernel, ${hostRelease}`
    case 'sysbox':
      if (users !== '' && users !== OWN_USERS && !isGvisor) return undefined
      return "root in it is the host's root"
  }
}
