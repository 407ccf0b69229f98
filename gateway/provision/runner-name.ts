import { createHash } from 'node:crypto'

/** Hex digits of the mesh in a runner's name: two meshes may serve one repository. */
const MESH_DIGITS = 8

const NAME = /^mesh-([0-9a-f]{8})-([0-9a-z]{26})-([0-9]{1,16})$/

/** Which slot's attempt a runner is of. */
export interface RunnerAttempt {
  readonly runId: string
  readonly epoch: number
}

/**
 * Names of the runners of one mesh: each says whose it is, and no two attempts have the same, but
 * those of a run that began anew (intake.ts, `onAnew`).
 */
export class RunnerNames {
  readonly #mesh: string

  /** By the peer id of the mesh's authority. */
  constructor(authority: string) {
    const hash = createHash('sha256').update(authority).digest('hex')
    this.#mesh = hash.slice(0, MESH_DIGITS)
  }

  nameOf({ runId, epoch }: RunnerAttempt): string {
    return `mesh-${this.#mesh}-${runId.toLowerCase()}-${epoch}`
  }

  /** Undefined for runners that are not of this mesh. */
  attemptOf(name: string): RunnerAttempt | undefined {
    const [, mesh, runId = '', epoch = ''] = NAME.exec(name) ?? []
    if (mesh !== this.#mesh) return undefined
    return { runId: runId.toUpperCase(), epoch: Number(epoch) }
  }
}
