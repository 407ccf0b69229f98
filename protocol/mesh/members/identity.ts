import { readFile } from 'node:fs/promises'
import { causeOf, codeOf, MeshError } from '../../core/errors.ts'
import { ADMIT_WAIT_MS_MAX } from '../../core/limits.ts'
import type { Clock } from '../../core/ports.ts'
import { makeStateFolder, writeDurable } from '../../host/durable-file.ts'
import type { Program, StatePaths } from '../../host/paths.ts'
import { readPid } from '../../host/pid-lock.ts'
import { readSecretFile, writeSecretFile } from '../../host/secret-file.ts'
import { type MeshStore, openStore } from '../../store/mesh-store.ts'
import { generateKey, keyFromBytes, type MeshKey, publicKeyOf } from '../../wire/keys.ts'
import { decodeRecord, encodeRecord } from '../../wire/record-codec.ts'

/** Milliseconds between two tries for a state that another process has. */
export const LOCKED_PAUSE_MS = 250

export interface Identity {
  readonly peerId: string
  readonly storeId: string
}

/** A state folder that is locked, as a daemon locks it, until `close`. */
export interface OpenIdentity extends Identity {
  readonly key: MeshKey
  /** Binds the state to the authority for good. */
  pin(): Promise<void>
  close(): Promise<void>
}

/**
 * Makes key and store where they are missing and pins the authority; a repeated call gives the same
 * ids. Throws STATE_BOUND where another authority is pinned already, AUTHORITY_INVALID where the
 * pin is damaged.
 */
export async function makeIdentity(
  program: Program,
  paths: StatePaths,
  authority: string
): Promise<Identity> {
  const identity = await openIdentity(program, paths, authority)
  try {
    await identity.pin()
    return { peerId: identity.peerId, storeId: identity.storeId }
  } finally {
    await identity.close()
  }
}

/** The same, with the pinning left to the caller. Throws STATE_LOCKED besides. */
export async function openIdentity(
  program: Program,
  paths: StatePaths,
  authority: string
): Promise<OpenIdentity> {
  checkAuthority(authority)
  await makeStateFolder(paths.state)
  await makeStateFolder(paths.rosters)
  const pinned = await readPin(paths)
  if (pinned !== undefined && pinned !== authority) {
    throw new MeshError('STATE_BOUND', { state: paths.state, authority: pinned })
  }
  const key = await loadOrMakeKey(paths.key)
  const store = await openStateStore(paths, key.peerId, { create: true, openedBy: program })
  return {
    peerId: key.peerId,
    storeId: store.storeId,
    key,
    pin: async () => {
      if (pinned === undefined) await writeDurable(paths.authority, `${authority}\n`)
    },
    close: () => store.close()
  }
}

export interface OpenOptions {
  readonly create: boolean
  /** `agent` or `gateway`. */
  readonly openedBy: string
  readonly onFailure?: (error: MeshError) => void
}

/**
 * For a daemon that starts: a command that works on the state while no daemon runs is waited for,
 * up to ADMIT_WAIT_MS_MAX. Another daemon is not, its process stands in the pid file.
 */
export async function openDaemonStore(
  paths: StatePaths,
  peerId: string,
  options: OpenOptions,
  clock: Clock
): Promise<MeshStore> {
  const endMs = clock.bootMs() + ADMIT_WAIT_MS_MAX
  for (;;) {
    try {
      return await openStateStore(paths, peerId, options)
    } catch (error) {
      // In a container every daemon may have the same number: a file with ours is a dead one's.
      const pid = error instanceof MeshError ? error.facts['pid'] : undefined
      const isPassing = pid === 'unknown' || pid === process.pid
      if (codeOf(error) !== 'STATE_LOCKED' || !isPassing || clock.bootMs() >= endMs) throw error
    }
    await new Promise<void>((resolve) => clock.arm(LOCKED_PAUSE_MS, resolve))
  }
}

/** Opens the store of a state folder; a lock is reported with the process that holds it. */
export async function openStateStore(
  paths: StatePaths,
  peerId: string,
  options: OpenOptions
): Promise<MeshStore> {
  try {
    return await openStore({
      dir: paths.store,
      peerId,
      create: options.create,
      openedBy: options.openedBy,
      codec: { encodeRecord, decodeRecord },
      onFailure: options.onFailure ?? (() => undefined)
    })
  } catch (error) {
    if (!(error instanceof MeshError) || error.code !== 'STATE_LOCKED') throw error
    throw new MeshError('STATE_LOCKED', { state: paths.state, pid: await readPid(paths.pid) })
  }
}

export async function loadKey(file: string): Promise<MeshKey> {
  return keyFromFile(file, await readSecretFile(file))
}

/**
 * The pinned authority. Throws STATE_ABSENT before `init` or `id`, AUTHORITY_INVALID for a damaged
 * file, STATE_UNWRITABLE for one that cannot be read.
 */
export async function readAuthority(paths: StatePaths): Promise<string> {
  const pinned = await readPin(paths)
  if (pinned !== undefined) return pinned
  const fix =
    'run the join command with a string of `agent invite` first, or `agent init` for a new mesh'
  throw new MeshError('STATE_ABSENT', { state: paths.state, file: 'authority', fix })
}

/** Undefined only where there is no file: any other doubt would let a second authority in. */
async function readPin(paths: StatePaths): Promise<string | undefined> {
  const text = await readIfThere(paths)
  if (text === undefined || isAuthority(text)) return text
  const problem = 'write the line that `agent init` printed into it'
  throw new MeshError('AUTHORITY_INVALID', { text: paths.authority, problem })
}

async function readIfThere({ authority, state }: StatePaths): Promise<string | undefined> {
  try {
    return (await readFile(authority, 'utf8')).trim()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new MeshError('STATE_UNWRITABLE', { state, cause: causeOf(error) }, { cause: error })
  }
}

async function loadOrMakeKey(file: string): Promise<MeshKey> {
  try {
    return await loadKey(file)
  } catch (error) {
    if (!(error instanceof MeshError) || error.code !== 'STATE_ABSENT') throw error
  }
  const key = generateKey()
  await writeSecretFile(file, key.bytes)
  return key
}

function keyFromFile(file: string, bytes: Uint8Array): MeshKey {
  try {
    return keyFromBytes(bytes)
  } catch (error) {
    throw new MeshError('KEY_INVALID', { file, cause: 'no Ed25519 key' }, { cause: error })
  }
}

function checkAuthority(text: string): void {
  if (isAuthority(text)) return
  const problem = 'it must be the line that `agent init` printed'
  throw new MeshError('AUTHORITY_INVALID', { text, problem })
}

function isAuthority(text: string): boolean {
  try {
    publicKeyOf(text)
    return true
  } catch {
    return false
  }
}
