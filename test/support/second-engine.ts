import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Engine } from '../../agent/execute/engine.ts'
import { ensureBaseImage } from '../../deploy/base-image.ts'
import { eventually } from './eventually.ts'

const START_MS_MAX = 60_000

/** A runtime of the engine under test: a program with arguments, or a script that is written. */
export type RuntimeWish =
  | { readonly path: string; readonly args?: readonly string[] }
  | { readonly script: string }

/**
 * A real engine beside this host's own, with runtimes of a test's choice. It lives in a namespace
 * without any link, so that the two share no bridge and no rule.
 */
export class SecondEngine {
  readonly root: string
  readonly socket: string
  #process: ChildProcess | undefined

  private constructor(root: string) {
    this.root = root
    this.socket = join(root, 'docker.sock')
  }

  /** `programs` is a folder that the engine looks for programs in before all others. */
  static async start(
    runtimes: Readonly<Record<string, RuntimeWish>>,
    programs?: string
  ): Promise<SecondEngine> {
    const engine = new SecondEngine(await mkdtemp(join(tmpdir(), 'rm-engine-')))
    try {
      await engine.#configure(runtimes)
      await engine.#start(programs)
      await ensureBaseImage(Engine.local(engine.socket))
    } catch (error) {
      await engine.stop()
      throw error
    }
    return engine
  }

  /** Removes its containers first: what looks after them would outlive it. */
  async stop(): Promise<void> {
    const child = this.#process
    if (child !== undefined && child.exitCode === null) {
      const engine = Engine.local(this.socket)
      for (const { id } of await engine.containers({}).catch(() => [])) await engine.remove(id)
      const ended = new Promise((resolve) => child.once('close', resolve))
      child.kill('SIGTERM')
      await ended
    }
    await rm(this.root, { recursive: true, force: true })
  }

  async #configure(runtimes: Readonly<Record<string, RuntimeWish>>): Promise<void> {
    const entries: [string, { path: string; runtimeArgs: readonly string[] }][] = []
    for (const [name, wish] of Object.entries(runtimes)) {
      const path = 'script' in wish ? await this.#script(name, wish.script) : wish.path
      entries.push([name, { path, runtimeArgs: 'args' in wish ? (wish.args ?? []) : [] }])
    }
    const settings = {
      hosts: [`unix://${this.socket}`],
      'data-root': join(this.root, 'data'),
      'exec-root': join(this.root, 'exec'),
      pidfile: join(this.root, 'pid'),
      iptables: false,
      ip6tables: false,
      runtimes: Object.fromEntries(entries)
    }
    await writeFile(join(this.root, 'daemon.json'), JSON.stringify(settings))
  }

  async #script(name: string, text: string): Promise<string> {
    const path = join(this.root, name)
    await writeFile(path, `#!/bin/sh\n${text}\n`)
    await chmod(path, 0o755)
    return path
  }

  async #start(programs: string | undefined): Promise<void> {
    const log = join(this.root, 'log')
    const file = openSync(log, 'w')
    const config = `--config-file=${join(this.root, 'daemon.json')}`
    const path = [...(programs === undefined ? [] : [programs]), process.env['PATH']].join(':')
    const child = spawn('unshare', ['--net', 'dockerd', config], {
      env: { ...process.env, PATH: path },
      stdio: ['ignore', file, file]
    })
    closeSync(file)
    this.#process = child
    await eventually(
      'the second engine answers',
      async () => {
        if (child.exitCode !== null) throw new Error(await readFile(log, 'utf8'))
        return await Engine.local(this.socket)
          .info()
          .catch(() => undefined)
      },
      START_MS_MAX
    )
  }
}
