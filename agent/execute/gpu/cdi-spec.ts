import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { at, listOf, recordOf, textOf } from '../../probe/gpu/tool-json.ts'

/** Bytes of one spec: of 64 devices with a dozen mounts each it has some 200 KB. */
const SPEC_BYTES_MAX = 1_048_576
const SPECS_MAX = 32

/** What a CDI device would put into a container, by its full name `amd.com/gpu=0`. */
export type CdiNodes = ReadonlyMap<string, readonly string[]>

/**
 * Nodes of the CDI devices in these folders, of specs in JSON alone. One that does anything but
 * hand over nodes is left out: what a hook or a mount does, nobody here can tell. So are all of a
 * kind that a spec in YAML names as well, which may say otherwise of them, and all of them where a
 * spec is too large to be read.
 */
export async function readCdiNodes(folders: readonly string[]): Promise<CdiNodes> {
  const found = new Map<string, readonly string[] | undefined>()
  const unread: string[] = []
  for (const path of await specsIn(folders)) {
    const text = await textAt(path)
    if (text === undefined) return new Map()
    if (!path.endsWith('.json')) unread.push(text)
    else for (const [id, nodes] of nodesIn(parsed(text))) found.set(id, nodes)
  }
  return sure(found, unread)
}

/** The last folder wins, as it does for engines. None where they are more than are read. */
async function specsIn(folders: readonly string[]): Promise<readonly string[]> {
  const paths: string[] = []
  for (const folder of folders) {
    const names = await readdir(folder).catch(() => [])
    paths.push(...names.filter((name) => SPEC.test(name)).map((name) => join(folder, name)))
  }
  return paths.length > SPECS_MAX ? [] : paths
}

/** Those that are nodes alone, by every word that there is of them. */
function sure(
  found: ReadonlyMap<string, readonly string[] | undefined>,
  unread: readonly string[]
): CdiNodes {
  const kinds = [...new Set([...found.keys()].map(kindOf))]
  const doubted = new Set(kinds.filter((kind) => unread.some((text) => text.includes(kind))))
  return new Map(
    [...found].flatMap(([id, nodes]) => {
      return nodes === undefined || doubted.has(kindOf(id)) ? [] : [[id, nodes]]
    })
  )
}

const SPEC = /\.(?:json|ya?ml)$/

/** Undefined for what is too large. */
async function textAt(path: string): Promise<string | undefined> {
  try {
    const file = await stat(path)
    if (!file.isFile()) return ''
    return file.size > SPEC_BYTES_MAX ? undefined : await readFile(path, 'utf8')
  } catch {
    // Its engine cannot read it either, and lists nothing of it.
    return ''
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

function kindOf(id: string): string {
  return id.split('=', 1)[0] ?? ''
}

/** Undefined for a device that is more than nodes: it stands in place of one of its name before. */
function nodesIn(spec: unknown): ReadonlyMap<string, readonly string[] | undefined> {
  const kind = textOf(at(spec, 'kind'))
  const found = new Map<string, readonly string[] | undefined>()
  if (kind === undefined) return found
  const common = plainNodes(at(spec, 'containerEdits'))
  for (const device of listOf(at(spec, 'devices'))) {
    const name = textOf(at(device, 'name'))
    const own = plainNodes(at(device, 'containerEdits'))
    const isPlain = common !== undefined && own !== undefined
    if (name !== undefined) found.set(`${kind}=${name}`, isPlain ? [...common, ...own] : undefined)
  }
  return found
}

/** Undefined for edits that are more than nodes by their own paths, or that give away too much. */
function plainNodes(edits: unknown): readonly string[] | undefined {
  const others = Object.entries(recordOf(edits)).filter(([key]) => key !== 'deviceNodes')
  if (others.some(([, value]) => !isEmpty(value))) return undefined
  const paths: string[] = []
  for (const node of listOf(at(edits, 'deviceNodes'))) {
    const path = textOf(at(node, 'path'))
    if (path === undefined || !isPlain(node, path)) return undefined
    paths.push(path)
  }
  return paths
}

/**
 * True for the host's own node under its own name. One that says its numbers is whatever has those,
 * its owner or mode would be another than what was looked at, and one that says no rights may be
 * made anew.
 */
function isPlain(node: unknown, path: string): boolean {
  if (textOf(at(node, 'permissions')) !== 'rw') return false
  if ((textOf(at(node, 'hostPath')) ?? path) !== path) return false
  return Object.keys(recordOf(node)).every((key) => NODE_KEYS.has(key))
}

const NODE_KEYS: ReadonlySet<string> = new Set(['path', 'hostPath', 'permissions'])

function isEmpty(value: unknown): boolean {
  return value === null || (typeof value === 'object' && Object.keys(value).length === 0)
}
