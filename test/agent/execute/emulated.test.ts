import { expect, test } from 'vitest'
import { asRunHere } from '../../../agent/execute/emulated.ts'
import { sampleSpec } from '../../support/arbitrary-board.ts'

const HERE = [
  { name: 'linux/amd64', native: true },
  { name: 'linux/arm64/v8', native: false }
]
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

const spec = (platform: string | undefined) =>
  sampleSpec({
    platform,
    timeoutMs: HOUR_MS,
    steps: [
      { name: 'a', run: 'make', timeoutMs: 1_000 },
      { name: 'b', run: 'make', timeoutMs: undefined },
      { name: 'c', run: 'make', timeoutMs: DAY_MS }
    ]
  })

test.each([undefined, 'linux/amd64'])(
  'on a processor of its own a job is as written: %s',
  (name) => {
    expect(asRunHere(spec(name), HERE)).toEqual(spec(name))
  }
)

test('under an emulator every timeout is five times as long, none longer than a day', () => {
  const run = asRunHere(spec('linux/arm64'), HERE)

  expect(run).toMatchObject({ platform: 'linux/arm64', timeoutMs: 5 * HOUR_MS })
  expect(run.steps.map(({ timeoutMs }) => timeoutMs)).toEqual([5_000, undefined, DAY_MS])
})

test('a job that goes on before it is known what else runs here keeps the longer timeouts', () => {
  expect(asRunHere(spec('linux/arm64'), HERE.slice(0, 1)).timeoutMs).toBe(5 * HOUR_MS)
})
