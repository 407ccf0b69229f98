import { Readable } from 'node:stream'
import { pack } from 'tar-stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Sandbox, SandboxDied, type StepEnd } from '../../agent/execute/sandbox.ts'
import { eventually } from './eventually.ts'

/** A sandbox to be judged, with what only its maker can see of it. */
export interface ContractSandbox {
  readonly sandbox: Sandbox
  /** True while anything of it exists. */
  exists(): Promise<boolean>
  /** Lets the lease end now, without anybody's help. */
  endLease(): Promise<void>
}

export interface SandboxMaker {
  make(memoryBytes?: number): Promise<ContractSandbox>
  stop(): Promise<void>
}

const NEVER = new AbortController().signal
const LIMIT_MS = 20_000
const SMALL_BYTES = 33_554_432

type Within = (
  judge: (box: ContractSandbox) => Promise<void>,
  memoryBytes?: number
) => Promise<void>

/** What every adapter of the port `Sandbox` must do; run it in the adapter's own test file. */
export function sandboxContract(name: string, open: () => Promise<SandboxMaker>): void {
  describe(`${name} keeps the contract of a sandbox`, { timeout: LIMIT_MS }, () => {
    let maker: SandboxMaker
    beforeAll(async () => {
      maker = await open()
    })
    afterAll(async () => {
      await maker.stop()
    })
    const within: Within = async (judge, memoryBytes) => {
      const box = await maker.make(memoryBytes)
      try {
        await box.sandbox.create(NEVER)
        await box.sandbox.start(NEVER)
        await judge(box)
      } finally {
        await box.sandbox.close()
      }
      expect(await box.exists()).toBe(false)
    }
    stepClaims(within)
    endClaims(within)

    test('close may be called before anything was made, and twice', async () => {
      const { sandbox, exists } = await maker.make()

      await sandbox.close()
      await sandbox.close()

      expect(await exists()).toBe(false)
    })
  })
}

function stepClaims(within: Within): void {
  test('a step ends with its own exit code, and the next one still runs', async () => {
    await within(async ({ sandbox }) => {
      expect((await run(sandbox, 'exit 7')).end).toEqual({ kind: 'exited', code: 7, oom: false })
      expect((await run(sandbox, 'true')).end).toEqual({ kind: 'exited', code: 0, oom: false })
    })
  })

  test('both outputs come as they were written', async () => {
    await within(async ({ sandbox }) => {
      const { out, err } = await run(sandbox, 'echo one; echo two >&2; printf three')

      expect(out).toBe('one\nthree')
      expect(err).toBe('two\n')
    })
  })

  test('a step sees its variables and starts in the workspace', async () => {
    await within(async ({ sandbox }) => {
      const { out } = await run(sandbox, 'pwd; echo "$GREETING"', ['GREETING=hello world'])

      expect(out).toBe('/work\nhello world\n')
    })
  })

  test('an archive is laid out with its links and bits', async () => {
    await within(async ({ sandbox }) => {
      await sandbox.unpack(archive(), NEVER)

      const { out } = await run(sandbox, './tool; readlink link; cat deep/file')
      expect(out).toBe('it runs\n../outside\ntext\n')
    })
  })
}

function endClaims(within: Within): void {
  test('a process that needs more memory than there is ends as out of memory', async () => {
    await within(async ({ sandbox }) => {
      const { end } = await run(sandbox, 'x=$(head -c 200000000 /dev/zero | tail -c 150000000)')

      expect(end).toMatchObject({ oom: true })
    }, SMALL_BYTES)
  })

  test('the end of the lease ends a running step, and is told apart from its own end', async () => {
    await within(async ({ sandbox, endLease }) => {
      const running = run(sandbox, 'sleep 60')
      await endLease()

      expect((await running).end).toMatchObject({ kind: 'died' })
    })
  })

  test('a sandbox that has ended takes no source', async () => {
    await within(async ({ sandbox, endLease }) => {
      await endLease()
      await run(sandbox, 'sleep 60')

      await expect(sandbox.unpack(archive(), NEVER)).rejects.toThrow(SandboxDied)
    })
  })

  test('terminate reaches the steps', async () => {
    await within(async ({ sandbox }) => {
      let ready = ''
      const script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"
      const running = run(sandbox, script, [], (text) => {
        ready += text
      })
      await eventually('the trap is set', () => ready.includes('ready'))
      await sandbox.terminate()

      expect((await running).end).toEqual({ kind: 'exited', code: 9, oom: false })
    })
  })

  test('an aborted run rejects with the reason at once', async () => {
    await within(async ({ sandbox }) => {
      const abort = new AbortController()
      const step = {
        step: 1,
        script: 'echo on; sleep 60',
        env: [],
        onOutput: () => abort.abort('enough')
      }

      await expect(sandbox.run(step, abort.signal)).rejects.toBe('enough')
    })
  })
}

let steps = 0
/** A number is run once in a box; the boxes do not share them. */
function nextStep(): number {
  steps += 1
  return steps
}

interface Ran {
  readonly end: StepEnd
  readonly out: string
  readonly err: string
}

async function run(
  sandbox: Sandbox,
  script: string,
  env: readonly string[] = [],
  onText: (text: string) => void = () => undefined
): Promise<Ran> {
  const said = { out: '', err: '' }
  const onOutput = (stream: 'out' | 'err', bytes: Uint8Array): void => {
    const text = Buffer.from(bytes).toString('utf8')
    said[stream] += text
    onText(text)
  }
  const end = await sandbox.run({ step: nextStep(), script, env, onOutput }, NEVER)
  return { end, ...said }
}

function archive(): Readable {
  const tar = pack()
  tar.entry({ name: './', type: 'directory', mode: 0o755 })
  tar.entry({ name: './tool', mode: 0o755 }, '#!/bin/sh\necho it runs\n')
  tar.entry({ name: './link', type: 'symlink', linkname: '../outside' })
  tar.entry({ name: './deep/', type: 'directory', mode: 0o755 })
  tar.entry({ name: './deep/file', mode: 0o644 }, 'text\n')
  tar.finalize()
  return Readable.from(tar)
}
