import { expect, test } from 'vitest'
import { withOutputs } from '../../../agent/execute/job-outputs.ts'
import type { OutputFile } from '../../../agent/execute/sandbox.ts'
import { Masker } from '../../../protocol/core/masker/masker.ts'

const DONE = {
  state: 'succeeded',
  reason: 'completed',
  exitCode: 0,
  message: '1 step succeeded',
  steps: []
} as const

async function taken(file: OutputFile | string | Uint8Array, secret = 'nothing-like-it') {
  const said: string[] = []
  const bytes = typeof file === 'string' ? Buffer.from(file) : file
  const found = bytes instanceof Uint8Array ? ({ kind: 'read', bytes } as const) : bytes
  const verdict = await withOutputs(
    {
      sandbox: { outputs: async () => found },
      input: {
        signal: new AbortController().signal,
        log: (_step, stream, text) => said.push(`${stream} ${text}`)
      },
      masker: new Masker([Buffer.from(secret)])
    },
    DONE
  )
  return { verdict, said }
}

test('what steps wrote is part of the outcome, and nothing where they wrote nothing', async () => {
  expect((await taken('')).verdict).toEqual(DONE)
  const { verdict, said } = await taken('version=1.2\n')
  expect(verdict).toEqual({ ...DONE, outputs: { version: '1.2' } })
  expect(said).toEqual([])
})

test('a value with a secret in it is never handed on, and the log says so without it', async () => {
  const { verdict, said } = await taken('a=x hunter22 y\nb=1\nhunter22=2\n', 'hunter22')
  expect(verdict.outputs).toEqual({ b: '1' })
  expect(said).toEqual([
    'mesh output a holds a secret of this job and is not handed on',
    'mesh output *** holds a secret of this job and is not handed on'
  ])
})

test.each<[string, OutputFile | string | Uint8Array, string]>([
  ['malformed', 'hello', 'line 1: "hello" is not name=value'],
  ['no text', Uint8Array.of(0xff, 0xfe), 'no UTF-8'],
  ['too large', 'x'.repeat(16_385), 'the file has more than 16384 bytes'],
  ['not to be read', { kind: 'unreadable', cause: 'exit code 1' }, 'cannot be read: exit code 1']
])('a job fails, and says why, where that is %s', async (_name, file, cause) => {
  const { verdict, said } = await taken(file)
  expect(verdict).toMatchObject({ state: 'failed', reason: 'outputs_invalid' })
  expect(verdict.message).toContain(cause)
  expect(said).toEqual([`mesh ${verdict.message}`])
})
