import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { OUTPUT_BURST_LINES, OUTPUT_LINES_PER_S } from '../../protocol/core/output-limits.ts'
import { AttemptRig } from '../support/attempt-rig.ts'

const TEST_MS = 120_000
/** Three seconds more than are read at once: they wait in pipes and sockets of the engine. */
const LINES = OUTPUT_BURST_LINES + 3 * OUTPUT_LINES_PER_S

let rig: AttemptRig

beforeAll(async () => {
  rig = await AttemptRig.open()
}, TEST_MS)

afterAll(async () => {
  await rig.close()
})

describe('what a step has written faster than it is read', { timeout: TEST_MS }, () => {
  test('is in the log to the last line when it has ended', async () => {
    const { result, lines } = await rig.run({ steps: [{ run: `seq ${LINES}` }] })

    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    const out = lines.filter(({ stream }) => stream === 'out')
    expect(out.length).toBe(LINES)
    expect(out.at(-1)?.text).toBe(String(LINES))
  })
})
