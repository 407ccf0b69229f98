import { lstat, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import { GUARDIAN_START_MS_MAX } from '../../protocol/core/limits.ts'
import type { Clock, Random } from '../../protocol/core/ports.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { checkSocketPath } from '../../protocol/host/paths.ts'
import { isAlive } from '../../protocol/host/process-identity.ts'
import { pause } from '../../protocol/mesh/bounds/pause.ts'
import type { Engine } from '../execute/engine.ts'
import { lifelinePaths, readCharge } from '../lifeline/charge.ts'
import { Lifeline } from '../lifeline/lifeline.ts'
import { tenureHolder } from '../lifeline/tenure.ts'

const PREFIX = 'runner-mesh-exec-'
export const EXEC_STORE = 'exec'
/** Milliseconds between two looks whether the guardian has ended, and for how long. */
const LOOK_MS = 20
const GUARDIAN_END_MS_MAX = 5_000

export interface ExecRoomParts {
  readonly engine: Engine
  readonly clock: Clock
  readonly random: Random
}

/** The folder of one `agent exec`, with a guardian that outlives it if it is killed. */
export class ExecRoom {
  readonly dir: string
  /** In the labels of all that it makes. */
  readonly owner: string
  readonly #clock: Clock
  readonly #lifeline: Lifeline

  private constructor(dir: string, owner: string, { engine, clock }: ExecRoomParts) {
    this.dir = dir
    this.owner = owner
    this.#clock = clock
    const whose = { peerId: owner, storeId: EXEC_STORE }
    const charge = { ...whose, leases: this.leases, engine: engine.socket }
    this.#lifeline = new Lifeline({ clock, log: silentLog() }, { state: dir, mode: 'own', charge })
  }

  /** Resolves once its guardian holds. Throws EXEC_UNGUARDED, ENGINE_UNREACHABLE. */
  static async open(parts: ExecRoomParts, signal: AbortSignal): Promise<ExecRoom> {
    await parts.engine.info()
    const dir = await mkdtemp(join(tmpdir(), PREFIX))
    const room = new ExecRoom(dir, `exec-${parts.random.id(8)}`, parts)
    try {
      checkSocketPath(lifelinePaths(dir).socket)
      await mkdir(room.leases)
      await room.#lifeline.start()
      await room.#guarded(signal)
      return room
    } catch (error) {
      await room.close()
      throw error
    }
  }

  get leases(): string {
    return join(this.dir, 'leases')
  }

  get workspaces(): string {
    return join(this.dir, 'workspaces')
  }

  /** Ends the guardian, for which nothing must be left, and removes the folder. */
  async close(): Promise<void> {
    await this.#lifeline.stop()
    const holder = await tenureHolder(lifelinePaths(this.dir).dir)
    if (holder !== undefined) {
      process.kill(holder.pid, 'SIGTERM')
      const never = new AbortController().signal
      const limitMs = this.#clock.bootMs() + GUARDIAN_END_MS_MAX
      while (isAlive(holder) && this.#clock.bootMs() < limitMs) {
        await pause(this.#clock, LOOK_MS, never)
      }
    }
    await rm(this.dir, { recursive: true, force: true })
  }

  /** Leaves both to do what could not be done: the guardian ends with the last container. */
  async abandon(): Promise<void> {
    await this.#lifeline.stop()
  }

  async #guarded(signal: AbortSignal): Promise<void> {
    const held = new AbortController()
    const look = (): void => {
      if (this.#lifeline.holds) held.abort()
    }
    this.#lifeline.onChange(look)
    look()
    await pause(this.#clock, GUARDIAN_START_MS_MAX, AbortSignal.any([held.signal, signal]))
    if (this.#lifeline.holds || signal.aborted) return
    const cause = this.#lifeline.problems()[0]?.message ?? 'no guardian holds'
    throw new MeshError('EXEC_UNGUARDED', { cause, log: lifelinePaths(this.dir).log })
  }
}

export interface LeftRoom {
  readonly dir: string
  readonly owner: string
}

/** Rooms of this user that a killed `agent exec` has left, once their guardian has ended too. */
export async function leftRooms(): Promise<readonly LeftRoom[]> {
  const names = (await readdir(tmpdir())).filter((name) => name.startsWith(PREFIX))
  const rooms: LeftRoom[] = []
  for (const name of names) {
    const dir = join(tmpdir(), name)
    const stat = await lstat(dir).catch(() => undefined)
    // Anybody may make a folder there: what another user wrote says nothing.
    if (stat?.isDirectory() !== true || stat.uid !== process.getuid?.()) continue
    const paths = lifelinePaths(dir)
    const charge = await readCharge(paths.charge)
    if (charge === undefined || isAlive(charge.agent)) continue
    if ((await tenureHolder(paths.dir)) !== undefined) continue
    rooms.push({ dir, owner: charge.peerId })
  }
  return rooms
}

/** Never rejects: the next one tries again. Gives what it could not remove, with why. */
export async function clearRoom(
  { dir }: LeftRoom,
  reap: () => Promise<unknown>
): Promise<string | undefined> {
  try {
    await reap()
    await rm(dir, { recursive: true, force: true })
    return undefined
  } catch (error) {
    return `left by a killed \`agent exec\`: ${dir} (${causeOf(error)})`
  }
}
