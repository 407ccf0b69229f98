import { allowed, RULES, type Rule, seccompOption, when } from './seccomp-filter.ts'

/*
 * What a builder of images may call beyond our filter: a user namespace, and in it its own view of
 * what is mounted. No new file system, no network namespace, no descriptor of another namespace.
 */

/**
 * unshare(2): cgroup, IPC, PID, network and time namespaces. Users, mounts and host names are left:
 * a network namespace above all would open all of netfilter to its maker.
 */
const CLOSED_NAMESPACES = 0x6a00_0080
/** mount(2): bit 12, which the old magic number (0xC0ED in bits 16 to 31) cannot pretend. */
const MS_BIND = 0x1000
/** MS_PRIVATE and MS_REC, and nothing beside: with more bits it could be a new file system. */
const MAKE_PRIVATE = 0x4_4000

/** The argument of mount(2) that says what it is: names of file systems lie in memory. */
const FLAGS = 3

/**
 * Answered with 0, and not done: in a user namespace that its maker mapped alone there are no other
 * groups, so that the kernel refuses, and buildah before 1.45 gives up each `RUN` over that. Nobody
 * in the box has a group to be rid of.
 */
const PRETENDED = ['setgroups', 'setgroups32']

const OPENED: readonly Rule[] = [
  when('unshare', [{ index: 0, value: CLOSED_NAMESPACES, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }]),
  when('mount', [{ index: FLAGS, value: MS_BIND, valueTwo: MS_BIND, op: 'SCMP_CMP_MASKED_EQ' }]),
  when('mount', [{ index: FLAGS, value: MAKE_PRIVATE, op: 'SCMP_CMP_EQ' }]),
  // Its own mounts only: what was there before its namespace is locked (mount_namespaces(7)).
  allowed('umount2'),
  { names: PRETENDED, action: 'SCMP_ACT_ERRNO', errnoRet: 0 }
]

const without = (rule: Rule): Rule => ({
  ...rule,
  names: rule.names.filter((name) => !PRETENDED.includes(name))
})

export const BUILDER_SECCOMP_OPTION = seccompOption([...RULES.map(without), ...OPENED])
