import { HOME_INSIDE, JOB, STRICT } from './profile-strict.ts'
import type { Profile } from './sandbox-profile.ts'
import { BUILDER_SECCOMP_OPTION } from './seccomp-builder.ts'

/** buildah looks its own user up, outside its namespace and in it, and no image knows 10001. */
export const BUILDER_USERS: readonly string[] = [
  'root:x:0:0::/root:/bin/sh',
  `job:x:${JOB}:${JOB}::${HOME_INSIDE}:/bin/sh`
]

/**
 * What a trusted job builds images in: `strict` with a filter that lets it make a user namespace.
 * In there it is root of what is its own, and outside still user 10001 without a capability.
 */
export const BUILDER: Profile = {
  ...STRICT,
  name: 'builder',
  env: [
    ...STRICT.env,
    // The only kind of isolation that mounts no file system: what runs is in this box in any case.
    'BUILDAH_ISOLATION=chroot',
    // An overlay would be a file system of its own; this one copies.
    'STORAGE_DRIVER=vfs',
    // Files of an image that is built on: theirs stay as they are, and here they have our owner.
    'STORAGE_OPTS=vfs.ignore_chown_errors=true',
    // In place of /var/tmp, which is read-only.
    'TMPDIR=/tmp'
  ],
  seccomp: BUILDER_SECCOMP_OPTION,
  ownUsers: true
}
