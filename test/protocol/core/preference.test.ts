import { describe, expect, test } from 'vitest'
import { FALLBACK_MS_DEFAULT } from '../../../protocol/core/graph-limits.ts'
import { deferredUntilMs, fallbackAtMs, preferred } from '../../../protocol/core/preference.ts'
import { sampleView } from '../../support/arbitrary-board.ts'
import { BoardRuns, type Sketch } from '../../support/board-runs.ts'

const job = (sketch: Partial<Sketch> = {}) => {
  const wanted = { name: 'build', prefer: { disk: 'nvme' }, ...sketch }
  return new BoardRuns().run('R', [wanted], { issuedAtMs: 1_000 }).job('R.0')
}
const plain = sampleView({ peerId: 'p1', name: 'onyx' })
const fast = sampleView({ peerId: 'p2', name: 'basalt', labels: { disk: 'nvme', site: 'a' } })
const NATIVE = [{ name: 'linux/amd64', native: true }]
const own = { labels: {}, platforms: NATIVE }
const at = (nowMs: number) => ({ issuedAtMs: 1_000, nowMs })

describe('an agent without the labels that a job prefers', () => {
  test('leaves it to one that has them, until the time to fall back', () => {
    const untilMs = 1_000 + FALLBACK_MS_DEFAULT
    expect(deferredUntilMs(job(), own, [plain, fast], at(2_000))).toBe(untilMs)
    expect(preferred(job(), [plain, fast])).toEqual([fast])
    expect(deferredUntilMs(job(), own, [plain, fast], at(untilMs - 1))).toBeDefined()
    expect(deferredUntilMs(job(), own, [plain, fast], at(untilMs))).toBeUndefined()
  })

  test('waits as long as the job says', () => {
    const soon = job({ fallbackAfterMs: 500 })
    expect(fallbackAtMs(soon.spec, 1_000)).toBe(1_500)
    expect(deferredUntilMs(soon, own, [plain, fast], at(1_499))).toBeDefined()
    expect(deferredUntilMs(soon, own, [plain, fast], at(1_500))).toBeUndefined()
  })

  test('takes it where nobody could take it that has them', () => {
    const { labels } = fast.advertisement
    const paused = sampleView({ peerId: 'p2', labels, state: 'paused' })
    const silent = sampleView({ peerId: 'p2', labels }, { silentMs: 200_000 })
    const other = sampleView({ peerId: 'p2', labels: { disk: 'nvme' } })
    const unfit = job({ labels: { site: 'a' } })
    for (const agents of [[plain], [plain, paused], [plain, silent]]) {
      expect(deferredUntilMs(job(), own, agents, at(2_000))).toBeUndefined()
    }
    expect(deferredUntilMs(unfit, own, [plain, other], at(2_000))).toBeUndefined()
  })

  test('leaves it to one that is busy: its turn may come', () => {
    const room = { ...fast.advertisement.capacity, jobs: 0 }
    const busy = sampleView({ peerId: 'p2', labels: { disk: 'nvme' }, state: 'busy', free: room })
    expect(deferredUntilMs(job(), own, [plain, busy], at(2_000))).toBeDefined()
  })
})

test('whoever has all that is preferred, and whoever is asked nothing, waits for nobody', () => {
  const able = { labels: { disk: 'nvme', more: 'x' }, platforms: NATIVE }
  expect(deferredUntilMs(job(), able, [plain, fast], at(2_000))).toBeUndefined()
  expect(deferredUntilMs(job({ prefer: undefined }), own, [plain, fast], at(2_000))).toBeUndefined()
  expect(preferred(job({ prefer: undefined }), [plain, fast])).toEqual([])
  const half = { labels: { disk: 'nvme' }, platforms: NATIVE }
  const both = job({ prefer: { disk: 'nvme', site: 'a' } })
  expect(deferredUntilMs(both, half, [fast], at(2_000))).toBeDefined()
})

test('a label that every object inherits is nobody’s', () => {
  const odd = job({ prefer: { constructor: 'x' } })
  expect(preferred(odd, [plain, fast])).toEqual([])
})

describe('an agent that would emulate a job’s platform', () => {
  const platform = 'linux/arm64'
  const foreign = job({ prefer: undefined, platform })
  const native = sampleView({ peerId: 'p3', platforms: [{ name: platform, native: true }] })
  const emulating = [...NATIVE, { name: platform, native: false }]
  const self = { labels: {}, platforms: emulating }
  const other = sampleView({ peerId: 'p1', platforms: emulating })

  test('leaves it to a native one, be that busy, until the time to fall back', () => {
    const untilMs = 1_000 + FALLBACK_MS_DEFAULT
    const full = { ...native.advertisement.capacity, jobs: 0 }
    const busy = sampleView({ ...native.advertisement, state: 'busy', free: full })
    for (const view of [native, busy]) {
      expect(deferredUntilMs(foreign, self, [other, view], at(2_000))).toBe(untilMs)
      expect(deferredUntilMs(foreign, self, [other, view], at(untilMs))).toBeUndefined()
    }
    expect(preferred(foreign, [other, native])).toEqual([native])
  })

  test('takes it at once where none takes jobs that is native', () => {
    const paused = sampleView({ ...native.advertisement, state: 'paused' })
    expect(deferredUntilMs(foreign, self, [other, paused], at(2_000))).toBeUndefined()
    expect(preferred(foreign, [other, paused])).toEqual([])
  })

  test('leaves it to one that emulates as well and has the labels that it prefers', () => {
    const wishes = job({ platform, prefer: { disk: 'nvme' } })
    const nvme = sampleView({ ...other.advertisement, peerId: 'p4', labels: { disk: 'nvme' } })
    expect(deferredUntilMs(wishes, self, [other, nvme], at(2_000))).toBeDefined()
    expect(deferredUntilMs(wishes, self, [other], at(2_000))).toBeUndefined()
  })
})
