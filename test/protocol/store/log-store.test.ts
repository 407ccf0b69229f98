import {
  appendFile,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rmdir,
  symlink,
  writeFile
} from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { LOG_BYTES_MAX, LOG_PAGE_BYTES_MAX } from '../../../protocol/core/limits.ts'
import type { LogLine } from '../../../protocol/core/log-line.ts'
import { LogStore } from '../../../protocol/store/log-store.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

const JOB = 'RUN1.0'

function linesFrom(first: number, count: number, text = 'line'): LogLine[] {
  return Array.from({ length: count }, (_, index) => {
    const number = first + index
    return { number, atMs: 1_000 + number, step: 1, stream: 'out', text: `${text} ${number}` }
  })
}

function logsIn(dir: string, durable = false): LogStore {
  const logs = new LogStore(dir, { durable })
  onTestFinished(() => logs.close())
  return logs
}

async function textsOf(logs: LogStore, epoch?: number): Promise<string[]> {
  const texts: string[] = []
  for (let from = 1; ; ) {
    const page = await logs.read(JOB, epoch, from, 100)
    if (page.kind !== 'page' || page.lines.length === 0) return texts
    texts.push(...page.lines.map(({ text }) => text))
    from = page.next
  }
}

describe('lines of one attempt', () => {
  test('are read as they came, in pages, and end when they are finished', async () => {
    const logs = logsIn(await temporaryFolder())
    const odd = {
      ...linesFrom(3, 1)[0],
      number: 3,
      text: 'quote " newline \n é 🎉 \ud800'
    } as LogLine
    expect(await logs.append(JOB, 1, 1, linesFrom(1, 2))).toEqual({ kind: 'acked', nextLine: 3 })
    await logs.append(JOB, 1, 3, [odd])

    expect(await logs.read(JOB, undefined, 1, 2)).toEqual({
      kind: 'page',
      epoch: 1,
      lines: linesFrom(1, 2),
      next: 3,
      end: false
    })
    expect(await logs.finish(JOB, 1)).toEqual({ kind: 'acked', nextLine: 4 })
    const last = await logs.read(JOB, 1, 3, 10)
    expect(last).toMatchObject({ next: 4, end: true })
    expect(last.kind === 'page' && last.lines).toEqual([{ ...odd, text: odd.text }])
    expect(await logs.read(JOB, 1, 1, 2)).toMatchObject({ next: 3, end: false })
    expect(await logs.read(JOB, 1, 9, 2)).toMatchObject({ lines: [], next: 9, end: true })
  })

  test('that are repeated are skipped, those behind a gap are refused', async () => {
    const logs = logsIn(await temporaryFolder())
    await logs.append(JOB, 1, 1, linesFrom(1, 5))

    expect(await logs.append(JOB, 1, 1, linesFrom(1, 5, 'other'))).toMatchObject({ nextLine: 6 })
    expect(await logs.append(JOB, 1, 4, linesFrom(4, 4))).toEqual({ kind: 'acked', nextLine: 8 })
    const gap = { kind: 'refused', code: 'gap', nextLine: 8 }
    expect(await logs.append(JOB, 1, 9, linesFrom(9, 1))).toEqual(gap)
    expect(await logs.append(JOB, 1, 8, linesFrom(9, 1))).toEqual(gap)
    expect(await textsOf(logs)).toEqual(linesFrom(1, 7).map(({ text }) => text))
  })

  test('behind the end are not taken, repeats of earlier ones are', async () => {
    const logs = logsIn(await temporaryFolder())
    await logs.append(JOB, 1, 1, linesFrom(1, 2))
    await logs.finish(JOB, 1)

    expect(await logs.append(JOB, 1, 3, linesFrom(3, 1))).toEqual({
      kind: 'refused',
      code: 'not_allowed',
      nextLine: 3
    })
    expect(await logs.append(JOB, 1, 2, linesFrom(2, 1))).toEqual({ kind: 'acked', nextLine: 3 })
    expect(await logs.finish(JOB, 1)).toEqual({ kind: 'acked', nextLine: 3 })
  })

  test('side by side with others of the job are taken one call after the other', async () => {
    const logs = logsIn(await temporaryFolder(), true)
    const calls = Array.from({ length: 20 }, (_, index) =>
      logs.append(JOB, 1, 1 + index * 10, linesFrom(1 + index * 10, 10))
    )

    expect((await Promise.all(calls)).map(({ nextLine }) => nextLine)).toEqual(
      Array.from({ length: 20 }, (_, index) => 11 + index * 10)
    )
    expect(await textsOf(logs)).toHaveLength(200)
  })
})

describe('epochs of one job', () => {
  test('have a log each; a higher one refuses the lower ones, which stay readable', async () => {
    const dir = await temporaryFolder()
    const logs = logsIn(dir)
    await logs.append(JOB, 1, 1, linesFrom(1, 2, 'first'))
    expect(await logs.append(JOB, 3, 1, linesFrom(1, 1, 'third'))).toMatchObject({ nextLine: 2 })

    for (const stale of [logs.append(JOB, 1, 3, linesFrom(3, 1)), logs.finish(JOB, 2)]) {
      expect(await stale).toEqual({ kind: 'refused', code: 'stale_epoch', nextLine: 0 })
    }
    expect(await textsOf(logs, 1)).toEqual(['first 1', 'first 2'])
    expect(await textsOf(logs)).toEqual(['third 1'])
    expect(await logs.read(JOB, 2, 1, 10)).toEqual({ kind: 'absent' })
    expect((await readdir(join(dir, 'RUN1'))).sort()).toEqual(['0.1.ndjson', '0.3.ndjson'])
    expect(await logsIn(dir).append(JOB, 2, 1, linesFrom(1, 1))).toMatchObject({
      code: 'stale_epoch'
    })
  })

  test('do not begin with a gap, and a refused one leaves no file', async () => {
    const dir = await temporaryFolder()
    const logs = logsIn(dir)

    expect(await logs.append(JOB, 1, 2, linesFrom(2, 1))).toEqual({
      kind: 'refused',
      code: 'gap',
      nextLine: 1
    })
    expect(await readdir(dir)).toEqual([])
    expect(await logs.read(JOB, undefined, 1, 10)).toEqual({ kind: 'absent' })
  })
})

describe('after a crash', () => {
  test('a torn last line is cut off wherever it was torn, and the log goes on', async () => {
    const dir = await temporaryFolder()
    const first = logsIn(dir)
    await first.append(JOB, 1, 1, linesFrom(1, 20))
    await first.close()
    const path = join(dir, 'RUN1', '0.1.ndjson')
    const whole = await readFile(path)

    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length), async (length) => {
        await writeFile(path, whole.subarray(0, length))
        const logs = new LogStore(dir)
        const kept = whole.subarray(0, length).filter((byte) => byte === 10).length
        expect(await logs.append(JOB, 1, kept + 1, linesFrom(kept + 1, 2))).toEqual({
          kind: 'acked',
          nextLine: kept + 3
        })
        const page = await logs.read(JOB, 1, 1, 100)
        expect(page.kind === 'page' && page.lines).toEqual(linesFrom(1, kept + 2))
        await logs.close()
      }),
      { numRuns: 40 }
    )
  })

  test('a log ends where the first line is damaged or out of order', async () => {
    const dir = await temporaryFolder()
    const path = join(dir, 'RUN1', '0.1.ndjson')
    const first = logsIn(dir)
    await first.append(JOB, 1, 1, linesFrom(1, 3))
    await first.close()
    const whole = await readFile(path)

    for (const tail of ['\0'.repeat(200), '\n', '{"number":9,"atMs":1}\n', '{"end":9}\n', 'x\n']) {
      await writeFile(path, whole)
      await appendFile(path, tail)
      const logs = new LogStore(dir)
      expect(await logs.append(JOB, 1, 4, [])).toMatchObject({ nextLine: 4 })
      await logs.close()
      expect((await readFile(path)).equals(whole)).toBe(true)
    }
  })

  test('a finished log stays finished', async () => {
    const dir = await temporaryFolder()
    const first = logsIn(dir)
    await first.append(JOB, 1, 1, linesFrom(1, 600))
    await first.finish(JOB, 1)
    await first.close()
    const logs = logsIn(dir)

    expect(await logs.append(JOB, 1, 601, linesFrom(601, 1))).toMatchObject({ code: 'not_allowed' })
    expect(await logs.read(JOB, 1, 599, 9)).toMatchObject({ next: 601, end: true })
    const middle = await logs.read(JOB, 1, 255, 5)
    expect(middle.kind === 'page' && middle.lines).toEqual(linesFrom(255, 5))
  })
})

describe('limits', () => {
  test('a log that is full keeps what fits, and says so', async () => {
    const logs = logsIn(await temporaryFolder())
    const text = 'x'.repeat(1_000_000)
    const lines = linesFrom(1, 70).map((line) => ({ ...line, text }))
    const answer = await logs.append(JOB, 1, 1, lines)

    const kept = Math.floor(LOG_BYTES_MAX / 1_000_070)
    expect(answer).toEqual({ kind: 'refused', code: 'full', nextLine: kept + 1 })
    expect(await logs.append(JOB, 1, kept + 1, linesFrom(kept + 1, 1))).toMatchObject({
      kind: 'acked'
    })
    expect(await logs.finish(JOB, 1)).toMatchObject({ kind: 'acked' })
    const page = await logs.read(JOB, 1, 1, 100)
    expect(page.kind === 'page' && page.lines).toHaveLength(
      Math.floor(LOG_PAGE_BYTES_MAX / 1_000_070)
    )
  }, 20_000)

  test('more jobs than files may be open take turns', async () => {
    const dir = await temporaryFolder()
    const logs = new LogStore(dir, { durable: false, openMax: 4 })
    onTestFinished(() => logs.close())
    const jobs = Array.from({ length: 12 }, (_, index) => `RUN${index}.0`)
    for (const job of jobs) await logs.append(job, 1, 1, linesFrom(1, 1))
    for (const job of jobs) await logs.append(job, 1, 2, linesFrom(2, 1))

    await vi.waitFor(async () => expect(await openBelow(dir)).toBeLessThanOrEqual(4))
    for (const job of jobs) {
      expect(await logs.read(job, 1, 1, 9)).toMatchObject({ lines: linesFrom(1, 2) })
    }
  })

  test('more jobs at one moment than files may be open are told to come again', async () => {
    const logs = new LogStore(await temporaryFolder(), { durable: false, openMax: 4 })
    onTestFinished(() => logs.close())
    const calls = Array.from({ length: 5 }, (_, index) =>
      logs.append(`RUN${index}.0`, 1, 1, linesFrom(1, 1))
    )
    const answers = await Promise.allSettled(calls)

    expect(answers.slice(0, 4).every(({ status }) => status === 'fulfilled')).toBe(true)
    expect(answers[4]).toMatchObject({ reason: { code: 'OVERLOADED' } })
    expect(await logs.append('RUN4.0', 1, 1, linesFrom(1, 1))).toMatchObject({ kind: 'acked' })
  })
})

describe('names', () => {
  test('that could leave the folder are no jobs', async () => {
    const parent = await temporaryFolder()
    const dir = join(parent, 'logs')
    await mkdir(dir)
    const logs = logsIn(dir)
    const jobs = [
      '../x.0',
      'a/b.0',
      '..0',
      '.0',
      'RUN.0/../../x',
      'RUN.-1',
      'RUN.01',
      'RUN',
      'RUN.0.1'
    ]
    for (const job of [...jobs, 'RUN.0\n', '\0.0', `${'x'.repeat(65)}.0`, 'R\u00dcN.0']) {
      const refused = { kind: 'refused', code: 'unknown_job', nextLine: 0 }
      expect(await logs.append(job, 1, 1, linesFrom(1, 1)), job).toEqual(refused)
      expect(await logs.finish(job, 1)).toEqual(refused)
      expect(await logs.read(job, 1, 1, 1)).toEqual({ kind: 'absent' })
    }
    for (const epoch of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      expect(await logs.append(JOB, epoch, 1, [])).toMatchObject({ code: 'unknown_job' })
    }
    await writeFile(join(parent, 'kept'), '')
    for (const runId of ['..', '../logs', '.', '', '/']) await logs.remove(runId)
    expect((await readdir(parent)).sort()).toEqual(['kept', 'logs'])
    expect(await readdir(dir)).toEqual([])
  })

  test('a symbolic link in place of a log is not followed', async () => {
    const dir = await temporaryFolder()
    const target = join(dir, 'target')
    await writeFile(target, 'secret\n')
    await mkdir(join(dir, 'RUN1'))
    await symlink(target, join(dir, 'RUN1', '0.1.ndjson'))

    await expect(logsIn(dir).append(JOB, 1, 1, linesFrom(1, 1))).rejects.toMatchObject({
      code: 'LOG_UNAVAILABLE'
    })
    expect(await readFile(target, 'utf8')).toBe('secret\n')
  })
})

test('a run that is removed leaves nothing and can begin anew', async () => {
  const dir = await temporaryFolder()
  const logs = logsIn(dir)
  await logs.append(JOB, 2, 1, linesFrom(1, 3))
  await logs.append('RUN1.1', 1, 1, linesFrom(1, 3))
  await logs.append('RUN10.1', 1, 1, linesFrom(1, 3))
  await logs.remove('RUN1')

  expect(await readdir(dir)).toEqual(['RUN10'])
  expect(await logs.read(JOB, undefined, 1, 1)).toEqual({ kind: 'absent' })
  expect(await logs.append(JOB, 1, 1, linesFrom(1, 1))).toEqual({ kind: 'acked', nextLine: 2 })
})

test('an attempt of a run that began anew does not go on with the log of the one before', async () => {
  const dir = await temporaryFolder()
  const logs = logsIn(dir)
  for (const epoch of [1, 2, 3]) await logs.append(JOB, epoch, 1, linesFrom(1, epoch))
  await logs.finish(JOB, 3)
  await logs.delivered(JOB, 3)

  const begun = logs.restart(JOB, 2)
  expect(await logs.append(JOB, 2, 1, linesFrom(1, 1, 'new'))).toMatchObject({ kind: 'acked' })
  await begun

  expect(await textsOf(logs)).toEqual(['new 1'])
  expect(await textsOf(logs, 1)).toEqual(['line 1'])
  expect((await readdir(join(dir, 'RUN1'))).toSorted()).toEqual(['0.1.ndjson', '0.2.ndjson'])
  await logs.restart(JOB, 4)
  expect(await textsOf(logs)).toEqual(['new 1'])
})

test('a log is marked as delivered beside it; one that is not there is not', async () => {
  const dir = await temporaryFolder()
  const logs = logsIn(dir)
  await logs.append(JOB, 2, 1, linesFrom(1, 1))

  for (const epoch of [2, 2, 3, 0]) await logs.delivered(JOB, epoch)
  await logs.delivered('../RUN1.0', 2)

  expect(await readdir(join(dir, 'RUN1'))).toEqual(['0.2.delivered', '0.2.ndjson'])
  expect(await readdir(dir)).toEqual(['RUN1'])
  expect(await logs.append(JOB, 2, 2, linesFrom(2, 1))).toEqual({ kind: 'acked', nextLine: 3 })
})

test('a disk that fails is told, and what was kept before is there when it works again', async () => {
  const dir = await temporaryFolder()
  const logs = logsIn(dir, true)
  await logs.append(JOB, 1, 1, linesFrom(1, 3))
  await logs.close()
  const path = join(dir, 'RUN1', '0.1.ndjson')
  await rename(path, `${path}.away`)
  await mkdir(path)

  await expect(logs.append(JOB, 1, 4, linesFrom(4, 1))).rejects.toMatchObject({
    code: 'LOG_UNAVAILABLE'
  })
  await rmdir(path)
  await rename(`${path}.away`, path)
  expect(await logs.append(JOB, 1, 4, linesFrom(4, 1))).toEqual({ kind: 'acked', nextLine: 5 })
})

/** How many files below `dir` this process has open. */
async function openBelow(dir: string): Promise<number> {
  const handles = await readdir('/proc/self/fd')
  const names = await Promise.all(
    handles.map((handle) => readlink(`/proc/self/fd/${handle}`).catch(() => ''))
  )
  return names.filter((name) => name.startsWith(dir)).length
}

test('who watches a job hears of lines that were kept and of the end, and of no other job', async () => {
  const logs = logsIn(await temporaryFolder())
  const heard: string[] = []
  const unwatch = logs.watch(JOB, () => heard.push('first'))
  logs.watch(JOB, () => heard.push('second'))

  await logs.append('RUN1.1', 1, 1, linesFrom(1, 1))
  await logs.append(JOB, 1, 1, linesFrom(1, 1))
  unwatch()
  await logs.finish(JOB, 1)

  expect(heard).toEqual(['first', 'second', 'second'])
})
