import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, write } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LOG_OUTPUT_BYTES_MAX } from '../../../protocol/core/limits.ts'
import { LineOutput, type Put } from '../../../protocol/host/line-output.ts'
import { eventually } from '../../support/eventually.ts'

let dir: string
let fd: number
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rm-lines-'))
  fd = openSync(join(dir, 'log'), 'a')
})
afterEach(async () => {
  closeSync(fd)
  await rm(dir, { recursive: true })
})

const written = (): string => readFileSync(join(dir, 'log'), 'utf8')

/** A disk with room for `room` bytes, until it is given more; it counts what it refuses. */
function disk(room: number): { room: number; refused: number; readonly put: Put } {
  const self = {
    room,
    refused: 0,
    put: ((file, bytes, done) => {
      if (self.room <= 0) {
        self.refused += 1
        const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
        setImmediate(() => done(full, 0))
        return
      }
      const part = bytes.subarray(0, self.room)
      self.room -= part.length
      write(file, part, done)
    }) satisfies Put
  }
  return self
}

test('lines arrive whole and in their order', async () => {
  const output = new LineOutput(fd, 'agent')
  const lines = Array.from({ length: 1_000 }, (_, index) => `line ${index}\n`)
  for (const line of lines) output.write(line)

  await eventually('all lines are there', () => written() === lines.join(''))
})

test('what a full disk has lost is counted in the first line that it takes again', async () => {
  const full = disk(10)
  const output = new LineOutput(fd, 'agent', full.put)
  output.write('first\n')
  output.write('second\n')
  // That the file has it all says nothing yet: whoever wrote it may still have to hear of it.
  await eventually('the disk is full', () => full.refused > 0)
  expect(written()).toBe('first\nseco')
  full.room = 1_000
  output.write('third\n')
  await eventually('it goes on', () => written().endsWith('third\n'))
  output.write('fourth\n')
  await eventually('it says that once', () => written().endsWith('third\nfourth\n'))

  const [, torn, told] = written().split('\n')
  expect(torn).toBe('seco')
  expect(JSON.parse(told ?? '')).toMatchObject({
    program: 'agent',
    lines: 1,
    cause: 'ENOSPC: no space left on device',
    msg: 'log lines lost'
  })
})

test('a reader that does not read costs lines, not memory without end', async () => {
  let goOn: () => void = () => undefined
  const slow: Put = (file, bytes, done) => {
    goOn = () => write(file, bytes, done)
  }
  const output = new LineOutput(fd, 'agent', slow)
  output.write('waits\n')
  output.write(`${'x'.repeat(LOG_OUTPUT_BYTES_MAX - 1)}\n`)
  output.write('over\n')
  await eventually('the reader reads', () => {
    goOn()
    goOn = () => undefined
    // Its length alone is there before its last bytes may be.
    return written().endsWith('x\n')
  })

  expect(written()).toMatch(/^waits\n\{.*"lines":1,.*"msg":"log lines lost"\}\nx+\n$/)
})

test('a program that can write its log nowhere ends as it was told', () => {
  const log = resolve(import.meta.dirname, '../../../protocol/host/log.ts')
  const script = [
    `import { createLog } from ${JSON.stringify(log)}`,
    "const log = createLog({ name: 'agent', level: 'info' })",
    "log.info('one')",
    "setTimeout(() => { log.fatal('two'); log.info('three'); process.exitCode = 5 }, 50)"
  ].join('\n')
  const full = openSync('/dev/full', 'w')
  const ended = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module'], {
    input: script,
    stdio: ['pipe', full, 'pipe'],
    timeout: 50_000,
    killSignal: 'SIGKILL'
  })
  closeSync(full)

  expect([ended.status, ended.signal, ended.stderr.toString()]).toEqual([5, null, ''])
})
