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
 * hand over nodes is left out: what a hook or a mount does, nobody here can tell.
 */
export async function readCdiNodes(folders: readonly string[]): Promise<CdiNodes> {
  const found = new Map<string, readonly string[]>()
  // The last folder wins, as it does for engines.
  for (const folder of folders) {
    const names = await readdir(folder).catch(() => [])
    for (const name of names.filter((each) => each.endsWith('.json')).slice(0, SPECS_MAX)) {
      for (const [id, nodes] of nodesIn(await documentAt(join(folder, name)))) found.set(id, nodes)
    }
  }
  return found
}

async function documentAt(path: string): Promise<unknown> {
  try {
    if ((await stat(path)).size > SPEC_BYTES_MAX) return undefined
    return JSON.parse(await readFile(path, 'utf8')) as unknown
  } catch {
    // Its engine cannot read it either, and lists nothing of it.
    return undefined
  }
}

function nodesIn(spec: unknown): CdiNodes {
  const kind = textOf(at(spec, 'kind'))
  const found = new Map<string, readonly string[]>()
  const common = plainNodes(at(spec, 'containerEdits'))
  if (kind === undefined || common === undefined) return found
  for (const device of listOf(at(spec, 'devices'))) {
    const name = textOf(at(device, 'name'))
    const own = plainNodes(at(device, 'containerEdits'))
    if (name !== undefined && own !== undefined) found.set(`${kind}=${name}`, [...common, ...own])
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
    const from = textOf(at(node, 'hostPath')) ?? path
    const rights = textOf(at(node, 'permissions')) ?? 'rw'
    if (path === undefined || from !== path || rights.includes('m')) return undefined
    paths.push(path)
  }
  return paths
}

function isEmpty(value: unknown): boolean {
  return value === null || (typeof value === 'object' && Object.keys(value).length === 0)
}
