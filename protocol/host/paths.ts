import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { MeshError } from '../core/errors.ts'
import { SOCKET_PATH_BYTES_MAX } from '../core/limits.ts'

export type Program = 'agent' | 'gateway'

/** Where one program keeps what it knows; all absolute. */
export interface StatePaths {
  readonly state: string
  readonly config: string
  readonly key: string
  readonly authorityKey: string
  readonly authority: string
  readonly rosters: string
  readonly store: string
  readonly logs: string
  readonly leases: string
  readonly workspaces: string
  readonly cache: string
  readonly tokens: string
  /** Which images this agent has pulled. */
  readonly images: string
  readonly secrets: string
  readonly secretsKey: string
  /** Sealed words by which a gateway is known to Git servers. */
  readonly credentials: string
  readonly invites: string
  /** What proves that a member signed two things where one is allowed. */
  readonly proofs: string
  /** Room that is given up when the disk is full. */
  readonly ballast: string
  readonly pid: string
  readonly socket: string
}

export interface PathFlags {
  readonly state?: string | undefined
  readonly config?: string | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

const APPLICATION = 'runner-mesh'

/**
 * Flag, then MESH_STATE, then systemd's folders, then root's, then XDG's. With an explicit state
 * folder everything is below it, so that several agents can share a machine.
 */
export function statePaths(program: Program, flags: PathFlags, env: Environment): StatePaths {
  const explicit = flags.state ?? env['MESH_STATE']
  const state = resolve(explicit ?? defaultState(program, env))
  const runtime = explicit === undefined ? defaultRuntime(state, env) : state
  const config = flags.config ?? env['MESH_CONFIG']
  return {
    state,
    config: resolve(config ?? defaultConfig(program, explicit, state, env)),
    key: join(state, `${program}.key`),
    authorityKey: join(state, 'authority.key'),
    authority: join(state, 'authority'),
    rosters: join(state, 'rosters'),
    store: join(state, 'store'),
    logs: join(state, 'logs'),
    leases: join(state, 'leases'),
    workspaces: join(state, 'workspaces'),
    cache: join(state, 'cache'),
    tokens: join(state, 'tokens.json'),
    images: join(state, 'images.json'),
    secrets: join(state, 'secrets.json'),
    secretsKey: join(state, 'secrets.key'),
    credentials: join(state, 'credentials.json'),
    invites: join(state, 'invites'),
    proofs: join(state, 'proofs'),
    ballast: join(state, 'ballast'),
    pid: join(state, `${program}.pid`),
    socket: join(runtime, `${program}.sock`)
  }
}

/**
 * Throws SOCKET_PATH_TOO_LONG. Node cuts such a path without a word and listens at what is left of
 * it, where nobody looks.
 */
export function checkSocketPath(socket: string): void {
  const bytes = Buffer.byteLength(socket)
  if (bytes <= SOCKET_PATH_BYTES_MAX) return
  throw new MeshError('SOCKET_PATH_TOO_LONG', { socket, bytes, max: SOCKET_PATH_BYTES_MAX })
}

function isRoot(): boolean {
  return process.getuid?.() === 0
}

function defaultState(program: Program, env: Environment): string {
  const systemd = env['STATE_DIRECTORY']
  if (systemd !== undefined && systemd !== '') return systemd
  if (isRoot()) return join('/var/lib', APPLICATION, program)
  const home = env['XDG_STATE_HOME'] ?? join(env['HOME'] ?? homedir(), '.local', 'state')
  return join(home, APPLICATION, program)
}

function defaultRuntime(state: string, env: Environment): string {
  const systemd = env['RUNTIME_DIRECTORY']
  if (systemd !== undefined && systemd !== '') return systemd
  if (isRoot()) return join('/run', APPLICATION)
  const runtime = env['XDG_RUNTIME_DIR']
  return runtime === undefined ? state : join(runtime, APPLICATION)
}

function defaultConfig(
  program: Program,
  explicit: string | undefined,
  state: string,
  env: Environment
): string {
  if (explicit !== undefined) return join(state, `${program}.yaml`)
  if (isRoot()) return join('/etc', APPLICATION, `${program}.yaml`)
  const home = env['XDG_CONFIG_HOME'] ?? join(env['HOME'] ?? homedir(), '.config')
  return join(home, APPLICATION, `${program}.yaml`)
}
