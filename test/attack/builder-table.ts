import { ROWS, type Row } from './table.ts'

/** What a builder of images is answered where that is not what a stranger's job is. */
export interface BuilderRow {
  /** Of its first process, user 10001 without a capability; as a stranger's where absent. */
  readonly outside?: readonly string[]
  /** Of the root of a user namespace that it made; as outside of it where absent. */
  readonly inside?: readonly string[]
}

/** Of kernels from 5.9 on, and of those before: they knew fewer. */
const ALL_CAPABILITIES = ['000001ffffffffff', '000000ffffffffff', '0000003fffffffff']
const NO_USER = ['EINVAL']
/** What was mounted before its namespace stays where it is: mount_namespaces(7). */
const LOCKED = ['EINVAL', 'EPERM']

export const BUILDER_ROWS: Readonly<Record<string, BuilderRow>> = {
  unshare_user: { outside: ['OPEN'] },
  unshare_mount: { inside: ['OPEN'] },
  unshare_uts: { inside: ['OPEN'] },
  bind_mount: { inside: LOCKED },
  bind_proc: { inside: LOCKED },
  remount_proc: { inside: LOCKED },
  umount: { outside: ['EPERM', 'ENOENT'], inside: [...LOCKED, 'ENOENT'] },
  lease_umount: { inside: LOCKED },
  lease_remount: { inside: LOCKED },
  // Into what is its own already.
  chroot: { inside: ['OPEN'] },
  // Over what belongs to its namespace, and that is only what it made there.
  capset: { inside: ['OPEN'] },
  capabilities: { inside: ALL_CAPABILITIES },
  bounding_set: { inside: ALL_CAPABILITIES },
  // One user is there, and no other.
  chown: { inside: NO_USER },
  setuid: { inside: NO_USER },
  setuid_back: { inside: NO_USER },
  setuid_file: { inside: NO_USER },
  groups: { outside: ['pretended'] }
}

/** All answers that are allowed: refusals, or what a builder is meant to have. */
export function builderAnswers(row: Row, where: 'outside' | 'inside'): readonly string[] {
  const { outside = row.strict ?? row.answers, inside = outside } = BUILDER_ROWS[row.name] ?? {}
  return where === 'outside' ? outside : inside
}

/** The rows that are not as in a stranger's box, as a table in Markdown. */
export function builderMarkdown(
  strict: ReadonlyMap<string, string>,
  outside: ReadonlyMap<string, string>,
  inside: ReadonlyMap<string, string>
): string {
  const shown = (answer: string | undefined): string =>
    answer === 'OPEN' ? '**open**' : (answer ?? '')
  const lines = ROWS.flatMap(({ name, what }) => {
    const answers = [strict, outside, inside].map((from) => from.get(name))
    return new Set(answers).size === 1 ? [] : [`| ${[what, ...answers.map(shown)].join(' | ')} |`]
  })
  const heads = ['what is tried', '`strict`', '`builder`', 'root of its namespace']
  return [`| ${heads.join(' | ')} |`, `| ${heads.map(() => '---').join(' | ')} |`, ...lines].join(
    '\n'
  )
}
