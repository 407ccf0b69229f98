import { describe, expect, test } from 'vitest'
import { BUILDER_SECCOMP_OPTION } from '../../../agent/execute/seccomp-builder.ts'
import { SECCOMP_OPTION } from '../../../agent/execute/seccomp-filter.ts'

interface Rule {
  readonly names: readonly string[]
  readonly action: string
  readonly args?: readonly {
    readonly index: number
    readonly value: number
    readonly valueTwo?: number
    readonly op: string
  }[]
  readonly errnoRet?: number
}

const rulesOf = (option: string): readonly Rule[] =>
  JSON.parse(option.replace(/^seccomp=/, '')).syscalls
const namesOf = (rules: readonly Rule[]): string[] => rules.flatMap(({ names }) => names)
const [OURS, BUILDER] = [rulesOf(SECCOMP_OPTION), rulesOf(BUILDER_SECCOMP_OPTION)]

/** Whether the kernel lets a call with these arguments through. */
function passes(name: string, ...given: number[]): boolean {
  const rules = BUILDER.filter(({ names }) => names.includes(name))
  return rules.some(({ action, args = [] }) => {
    if (action !== 'SCMP_ACT_ALLOW') return false
    return args.every(({ index, value, valueTwo, op }) => {
      const bits = BigInt(given[index] ?? 0)
      if (op === 'SCMP_CMP_MASKED_EQ') return (bits & BigInt(value)) === BigInt(valueTwo ?? -1)
      return op === 'SCMP_CMP_EQ' && bits === BigInt(value)
    })
  })
}

const mounts = (flags: number): boolean => passes('mount', 0, 0, 0, flags)

describe('the filter of a builder', () => {
  test('is ours, with three calls more, and one that is only pretended', () => {
    const more = namesOf(BUILDER).filter((name) => !namesOf(OURS).includes(name))
    expect(new Set(more)).toEqual(new Set(['unshare', 'mount', 'umount2']))

    const ours = OURS.map(({ names, ...rule }) => {
      return { ...rule, names: names.filter((name) => !name.startsWith('setgroups')) }
    })
    expect(BUILDER.slice(0, ours.length)).toMatchObject(ours)
    const pretended = BUILDER.filter(({ names }) => names.includes('setgroups'))
    expect(pretended).toEqual([
      { names: ['setgroups', 'setgroups32'], action: 'SCMP_ACT_ERRNO', errnoRet: 0 }
    ])
  })

  test.each([
    ['users', 0x1000_0000, true],
    ['users and mounts', 0x1002_0000, true],
    ['names', 0x0400_0000, true],
    ['a network', 0x4000_0000, false],
    ['a network beside users and mounts', 0x5002_0000, false],
    ['processes', 0x2000_0000, false],
    ['shared memory', 0x0800_0000, false],
    ['control groups', 0x0200_0000, false],
    ['a clock', 0x80, false]
  ])('lets unshare through for %s: %s', (_what, flags, through) => {
    expect(passes('unshare', flags)).toBe(through)
  })

  test.each([
    ['a bind mount', 0x1000, true],
    ['a bind mount of all that is below', 0x5000, true],
    ['a bind mount made read-only', 0x1021, true],
    ['mounts made private', 0x4_4000, true],
    ['a new file system', 0, false],
    ['a new read-only one', 1, false],
    ['the magic number alone, under which a new one hides', 0xc0ed_0000, false],
    ['the magic number with what makes private', 0xc0ed_4000, false],
    ['other flags of a file system', 0x20, false],
    ['a move', 0x2000, false],
    ['mounts made shared', 0x10_4000, false]
  ])('lets mount through for %s: %s', (_what, flags, through) => {
    expect(mounts(flags)).toBe(through)
  })

  test('lets nobody in by other calls for the same', () => {
    const never = ['setns', 'pivot_root', 'fsopen', 'move_mount', 'open_tree', 'mount_setattr']
    expect(namesOf(BUILDER).filter((name) => never.includes(name))).toEqual([])
    // By clone it would be in the child at once.
    expect(passes('clone', 0x1000_0011)).toBe(false)
  })
})
