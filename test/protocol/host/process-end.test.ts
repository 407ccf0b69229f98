import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'

const MODULE = resolve(import.meta.dirname, '../../../protocol/host/process-end.ts')

/** Exit code of a process that runs `script` with `endProcessWithin` at hand. */
async function exitOf(script: string): Promise<number | null> {
  const text = `import { endProcessWithin } from ${JSON.stringify(MODULE)}\n${script}`
  const args = ['--import', 'tsx', '--input-type=module', '--eval', text]
  const [code] = await once(spawn(process.execPath, args, { stdio: 'inherit' }), 'exit')
  return code
}

const HANG = 'setInterval(() => undefined, 1_000_000)'

test('what hangs does not keep the process, and its exit code is the one that was set', async () => {
  expect(await exitOf(`${HANG}; endProcessWithin(10); process.exitCode = 5`)).toBe(5)
})

test('a process that hung before it knew its code ends as a bug', async () => {
  expect(await exitOf(`${HANG}; endProcessWithin(10)`)).toBe(70)
})

test('with nothing left to do the process ends before that by itself', async () => {
  expect(await exitOf('endProcessWithin(100_000_000)')).toBe(0)
})
