import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WORKSPACE_INSIDE } from '../../agent/execute/sandbox-profile.ts'
import { AttemptRig } from '../support/attempt-rig.ts'
import { eventually } from '../support/eventually.ts'

const TEST_MS = 60_000

let rig: AttemptRig

beforeAll(async () => {
  rig = await AttemptRig.open()
})

afterAll(() => rig.close())

/** Leaves its mark wherever jobs may write, in its processes and in its own memory file system. */
function marks(mark: string): string {
  const files = [WORKSPACE_INSIDE, '/tmp', '/dev/shm', '/root', '/'].map((dir) => `${dir}/${mark}`)
  return [
    `for path in ${files.join(' ')}; do echo ${mark} >"\${path%/*}/${mark}"; done`,
    `export MARK=${mark}`,
    // Quiet, and apart from the step: whoever holds its output is waited for.
    `sh -c 'sleep 300; : ${mark}' >/dev/null 2>&1 </dev/null &`,
    `syslogd -O ./${mark}.log >/dev/null 2>&1 </dev/null`,
    'echo ready',
    'sleep 300'
  ].join('\n')
}

/** The mark comes in two halves: a search must not find its own words. */
function search(mark: string): string {
  return [
    'set +e',
    `mark=${mark.slice(0, 16)}$(printf %s ${mark.slice(16)})`,
    'find / -xdev -name "*$mark*" 2>/dev/null',
    `for dir in ${WORKSPACE_INSIDE} /tmp /dev/shm /root; do grep -r -l -s "$mark" "$dir"; done`,
    'for pid in /proc/[0-9]*; do',
    '  [ "$pid" = "/proc/$$" ] || [ "$pid" = /proc/self ] && continue',
    '  tr "\\0" " " <"$pid/cmdline" 2>/dev/null | grep -s "$mark"',
    '  tr "\\0" " " <"$pid/environ" 2>/dev/null | grep -s "$mark"',
    'done',
    'cat /proc/net/unix /proc/net/arp /proc/sysvipc/* 2>/dev/null | grep -s "$mark"',
    'echo searched'
  ].join('\n')
}

describe('two jobs that look for each other', { timeout: TEST_MS }, () => {
  test('find nothing: no file, process, variable, socket or shared memory', async () => {
    const mark = randomBytes(16).toString('hex')
    const first = await rig.start({ steps: [{ run: marks(mark) }] })
    await eventually('its marks are laid', () => first.lines.some(({ text }) => text === 'ready'))
    const { result, lines } = await rig.run({ steps: [{ run: search(mark) }] })
    first.abort(new Error('over'))
    await first.result

    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    expect(lines.map(({ text }) => text)).toEqual(['searched'])
    expect(await rig.left()).toEqual([])
  })

  test('would find it in their own box: the search is a search', async () => {
    const mark = randomBytes(16).toString('hex')
    const own = marks(mark).replace(/\nsleep 300$/, '')
    const { lines } = await rig.run({ steps: [{ run: own }, { run: search(mark) }] })
    const found = lines.map(({ text }) => text).filter((text) => text.includes(mark))

    expect(found).toContain(`${WORKSPACE_INSIDE}/${mark}`)
    expect(found).toContain(`/dev/shm/${mark}`)
    expect(found.some((text) => text.includes('sleep 300'))).toBe(true)
    expect(found.some((text) => text.includes(`MARK=${mark}`))).toBe(true)
  })
})
