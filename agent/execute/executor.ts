import { createHash } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { MeshError } from '../../protocol/core/errors.ts'
import { TERM_GRACE_MS } from '../../protocol/core/limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { AttemptInput, AttemptResult } from './attempt.ts'
import { AttemptRun } from './attempt-run.ts'
import { ContainerSandbox } from './container-sandbox.ts'
import type { Engine } from './engine.ts'
import type { LocalImage } from './engine-types.ts'
import { GROUND_DIR, type Ground, layGround } from './ground.ts'
import { confirmGone } from './removal.ts'
import { standardProfile } from './sandbox-profile.ts'
import { Workspace } from './workspace.ts'

export interface ExecutorParts {
  readonly engine: Engine
  readonly clock: Clock
  readonly log: Log
}

export interface ExecutorOptions {
  readonly peerId: string
  readonly storeId: string
  /** Where sources are laid out on the host, and where the guard is mounted from. */
  readonly workspaces: string
  /** Path of a static busybox. */
  readonly busybox: string
  /** What jobs see as RUNNER_MESH_AGENT; the peer id when absent. */
  readonly name?: string | undefined
  /** Time between SIGTERM and SIGKILL; TERM_GRACE_MS when absent. */
  readonly termGraceMs?: number | undefined
}

/** Milliseconds that the reaper tries to remove one thing; it comes again. */
const REAP_MS_MAX = 10_000

/** Runs attempts in containers of this agent's own. */
export class Executor {
  readonly #parts: ExecutorParts
  readonly #options: ExecutorOptions
  readonly #suffix: string
  /** Container names of the attempts under way: the reaper must leave them alone. */
  readonly #live = new Map<string, AttemptInput>()
  #ground: Promise<Ground> | undefined

  constructor(parts: ExecutorParts, options: ExecutorOptions) {
    this.#parts = parts
    // The engine takes absolute paths only, and resolves them itself.
    this.#options = { ...options, workspaces: resolve(options.workspaces) }
    this.#suffix = createHash('sha256').update(options.peerId).digest('hex').slice(0, 8)
  }

  /** `runner-mesh-<jobId>-<first 8 hex of SHA-256(peerId)>`: one per job, whatever the epoch. */
  containerName(jobId: string): string {
    return `runner-mesh-${jobId.toLowerCase().replace(/[^a-z0-9.]/g, '-')}-${this.#suffix}`
  }

  /** Rejects only with SANDBOX_FAILED: something could not be confirmed gone. */
  async run(input: AttemptInput): Promise<AttemptResult> {
    const name = this.containerName(input.jobId)
    if (this.#live.has(name)) throw new MeshError('BUG', { problem: `${input.jobId} runs already` })
    this.#live.set(name, input)
    try {
      return await this.#attempt(name, input)
    } finally {
      this.#live.delete(name)
    }
  }

  /**
   * Removes containers, volumes and sources of this agent that are neither in `keep` nor of an
   * attempt under way, and gives the containers' names. Throws SANDBOX_FAILED with what is left.
   */
  async reap(keep: ReadonlySet<string>): Promise<string[]> {
    const { engine } = this.#parts
    const mine = { 'runner-mesh.peer': this.#options.peerId }
    const claims = new Set([...this.#live.values()].map((input) => input.claimId))
    const gone: string[] = []
    for (const { name, labels } of await engine.containers(mine)) {
      const claim = labels['runner-mesh.claim'] ?? ''
      if (keep.has(name) || claims.has(claim)) {
        claims.add(claim)
        continue
      }
      await this.#confirm(labels, `container ${name}`, () => engine.remove(name))
      gone.push(name)
    }
    for (const { name, labels } of await engine.volumes(mine)) {
      if (claims.has(labels['runner-mesh.claim'] ?? '')) continue
      await this.#confirm(labels, `volume ${name}`, () => engine.removeVolume(name))
    }
    await this.#reapWorkspaces(claims)
    return gone
  }

  async #attempt(name: string, input: AttemptInput): Promise<AttemptResult> {
    const { engine, clock, log } = this.#parts
    const { workspaces, busybox, peerId } = this.#options
    const run = new AttemptRun(
      {
        engine,
        clock,
        log,
        workspace: new Workspace(workspaces, input.claimId, busybox),
        ground: () => this.#prepare(),
        agent: this.#options.name ?? peerId,
        termGraceMs: this.#options.termGraceMs ?? TERM_GRACE_MS,
        sandboxOf: (image, ground) => this.#sandbox(name, input, image, ground)
      },
      input
    )
    return await run.run()
  }

  #sandbox(name: string, input: AttemptInput, image: LocalImage, ground: Ground): ContainerSandbox {
    const { peerId, storeId, busybox } = this.#options
    const { jobId, epoch, claimId, spec, deadline } = input
    const volume = `${name}-${claimId.slice(0, 8)}`
    const body = standardProfile(
      {
        imageId: image.id,
        jobId,
        epoch,
        claimId,
        peerId,
        storeId,
        volume,
        leaseDir: resolve(deadline.dir),
        busybox,
        guard: ground.guard,
        resources: spec.resources
      },
      ground.host
    )
    return new ContainerSandbox(this.#parts, { jobId, name, volume, image, body })
  }

  /** Learned once; a failure is not kept, so that the next attempt asks the engine again. */
  #prepare(): Promise<Ground> {
    this.#ground ??= layGround(this.#parts.engine, this.#options.workspaces).catch(
      (error: unknown) => {
        this.#ground = undefined
        throw error
      }
    )
    return this.#ground
  }

  async #confirm(
    labels: Readonly<Record<string, string>>,
    what: string,
    remove: () => Promise<unknown>
  ): Promise<void> {
    await confirmGone(labels['runner-mesh.job'] ?? what, [{ what, remove }], REAP_MS_MAX)
  }

  /** Left by a process that was killed in the middle of a checkout. */
  async #reapWorkspaces(claims: ReadonlySet<string>): Promise<void> {
    const { workspaces } = this.#options
    const names = await readdir(workspaces).catch(() => [])
    for (const name of names) {
      if (name === GROUND_DIR || claims.has(name)) continue
      await rm(join(workspaces, name), { recursive: true, force: true })
    }
  }
}
