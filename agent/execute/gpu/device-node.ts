import type { Stats } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { UserNamespace } from '../user-namespace.ts'

/** A file of /dev as the host has it. */
export interface DeviceNode {
  /** False for what only has the name of one. */
  readonly isDevice: boolean
  readonly gid: number
  /** Its permissions alone. */
  readonly mode: number
  /** Groups that may read and write it, where its list of access could be read. */
  readonly groups?: readonly number[] | undefined
}

/** Undefined where there is none, or none that may be looked at. */
export type NodeAt = (path: string) => Promise<DeviceNode | undefined>

/** Of this host. */
export const hostNode: NodeAt = async (path) => {
  const found = await stat(path).catch(() => undefined)
  return found === undefined ? undefined : nodeOf(found)
}

function nodeOf(found: Stats): DeviceNode {
  return { isDevice: found.isCharacterDevice(), gid: found.gid, mode: found.mode & 0o777 }
}

/** The group that opens a node inside a container, as the container numbers it. */
export type NodeAccess =
  | { readonly kind: 'open' }
  | { readonly kind: 'group'; readonly gid: number }
  | { readonly kind: 'closed'; readonly cause: string }

const BOTH = 0o6
/** Users and groups that an engine maps for a container, by its own figure. */
const MAPPED = 65_536

/**
 * How a job, who is nobody on the host, opens a node. Never by group 0: that would give the job
 * whatever else of the host's is root's.
 */
export function nodeAccess(
  path: string,
  node: DeviceNode | undefined,
  namespace: UserNamespace | undefined
): NodeAccess {
  const closed = (cause: string): NodeAccess => ({ kind: 'closed', cause: `${path} ${cause}` })
  if (node === undefined) return closed('is not there')
  if (!node.isDevice) return closed('is no device')
  if ((node.mode & BOTH) === BOTH) return { kind: 'open' }
  if (namespace === undefined) return ownGroup(node, closed)
  if (namespace.kind === 'rootless') {
    return closed(
      `belongs to group ${node.gid}, which a rootless engine cannot give: give it mode 0666`
    )
  }
  const { groupBase: base } = namespace
  const groups = groupsOf(node)
  if (groups.length === 0) return closed(`has ${rightsOf(node)}: its group may not use it`)
  const inside = groups.map((gid) => gid - base).find((gid) => gid > 0 && gid < MAPPED)
  if (inside !== undefined) return { kind: 'group', gid: inside }
  return closed(
    `belongs to group ${groups.join(', ')}, which the engine's user namespace has not: give it one ` +
      `from ${base + 1} to ${base + MAPPED - 1} (chgrp, or setfacl), or mode 0666`
  )
}

/** The engine makes the node anew in a container, with its mode and group and without its list. */
function ownGroup(node: DeviceNode, closed: (cause: string) => NodeAccess): NodeAccess {
  const rights = rightsOf(node)
  if (!isOpenToGroup(node)) return closed(`has ${rights}: its group may not use it`)
  if (node.gid === 0) return closed(`has ${rights} and belongs to group 0: give it its own group`)
  return { kind: 'group', gid: node.gid }
}

/** Where users are mapped the host's own node is mounted, and its list of access holds. */
function groupsOf(node: DeviceNode): readonly number[] {
  return node.groups ?? (isOpenToGroup(node) ? [node.gid] : [])
}

function isOpenToGroup({ mode }: DeviceNode): boolean {
  return ((mode >> 3) & BOTH) === BOTH
}

function rightsOf({ mode }: DeviceNode): string {
  return `mode ${mode.toString(8).padStart(4, '0')}`
}
