import type { RunTool } from '../../probe/gpu/tools.ts'

const GETFACL = 'getfacl'
/** `group:100109:rw-`, by numbers; the owner's own entry names nobody. */
const ENTRY = /^(group|mask):(\d{0,10}):([r-][w-][x-])(?:\s|$)/
const LINES_MAX = 256

/**
 * Groups that may read and write this file, `owner` being its own, by what `getfacl` says of it:
 * where there is a list of access, the mode's middle figure is the most that any of them may have.
 * Undefined where the tool is not here or says something else.
 */
export async function groupsByList(
  run: RunTool,
  path: string,
  owner: number
): Promise<readonly number[] | undefined> {
  const answer = await run(GETFACL, ['--numeric', '--absolute-names', '--omit-header', '--', path])
  if (answer.kind !== 'said' || answer.code !== 0) return undefined
  const groups = new Map<number, string>()
  let mask = 'rwx'
  for (const line of answer.text.split('\n').slice(0, LINES_MAX)) {
    const [, kind, number = '', rights = ''] = ENTRY.exec(line) ?? []
    if (kind === 'mask') mask = rights
    else if (kind === 'group') groups.set(number === '' ? owner : Number(number), rights)
  }
  if (groups.size === 0) return undefined
  return [...groups].flatMap(([gid, rights]) => (mayUse(rights) && mayUse(mask) ? [gid] : []))
}

function mayUse(rights: string): boolean {
  return rights.startsWith('rw')
}
