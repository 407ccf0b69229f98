import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import Docker from 'dockerode'
import type { AttemptRig } from '../support/attempt-rig.ts'
import { testImage } from '../support/test-image.ts'

const SOURCE = resolve(import.meta.dirname, 'probe.c')
/** Static: it must run in images without a C library. Warnings are errors: a try must be one. */
const FLAGS = ['-std=gnu11', '-O1', '-static', '-Wall', '-Wextra', '-Werror']
const IMAGE = 'runner-mesh-test/attack:1'
/** By which a run of the defaults finds its own container again. */
const LABEL = 'runner-mesh-test.attack'

/** The attacker's program, built on this host. */
export class Probe {
  readonly #dir: string
  readonly path: string

  private constructor(dir: string) {
    this.#dir = dir
    this.path = join(dir, 'probe')
  }

  static async build(): Promise<Probe> {
    const probe = new Probe(await mkdtemp(join(tmpdir(), 'runner-mesh-attack-')))
    await promisify(execFile)('cc', [...FLAGS, '-o', probe.path, SOURCE])
    return probe
  }

  /** A commit of the rig's repository with the program in it: the way that a stranger's comes. */
  async commit(rig: AttemptRig): Promise<string> {
    return await rig.git.commitTree((dir) => copyFile(this.path, join(dir, 'probe')))
  }

  /** What it prints in a container that an engine makes when it is asked for nothing else. */
  async underDefaults(rig: AttemptRig): Promise<string> {
    const bytes = await readFile(this.path)
    const entries = [{ kind: 'file', path: 'probe', mode: 0o755, bytes }] as const
    const remove = await testImage(rig.engine, { name: IMAGE, entries })
    try {
      return await plainRun(rig.engine.socket)
    } finally {
      await remove()
    }
  }

  async remove(): Promise<void> {
    await rm(this.#dir, { recursive: true, force: true })
  }
}

/** The call's real type: the published one knows its form with a callback alone. */
type Run = (
  image: string,
  command: readonly string[],
  outputs: readonly PassThrough[],
  options: object
) => Promise<unknown>

/** `docker run IMAGE sh -c '/probe; true'`: the shell stays process 1, as the guard does. */
async function plainRun(socketPath: string): Promise<string> {
  const docker = new Docker({ socketPath })
  const run = docker.run.bind(docker) as unknown as Run
  const [out, err] = [new PassThrough(), new PassThrough()]
  err.resume()
  const said = text(out)
  const id = randomBytes(8).toString('hex')
  try {
    const options = { Tty: false, Labels: { [LABEL]: id } }
    await run(IMAGE, ['/bin/sh', '-c', '/probe; true'], [out, err], options)
  } finally {
    const filters = { label: [`${LABEL}=${id}`] }
    for (const { Id } of await docker.listContainers({ all: true, filters })) {
      await docker.getContainer(Id).remove({ force: true, v: true })
    }
    out.end()
  }
  return await said
}

/** Names and answers of the lines that a probe printed. */
export function answersOf(lines: readonly string[]): ReadonlyMap<string, string> {
  const answers = new Map<string, string>()
  for (const line of lines) {
    const [name = '', answer = ''] = line.split('\t')
    if (name === '') continue
    answers.set(name, name === 'environment' ? sorted(answer) : answer)
  }
  return answers
}

/** Engines put variables in whatever order. */
function sorted(names: string): string {
  return names
    .split(' ')
    .toSorted((a, b) => (a < b ? -1 : 1))
    .join(' ')
}
