import { describe, expect, test } from 'vitest'
import { FALLBACK_MS_DEFAULT } from '../../../protocol/core/graph-limits.ts'
import { deferenceOf, fallbackAtMs, preferred } from '../../../protocol/core/preference.ts'
import { sampleView } from '../../support/arbitrary-board.ts'
import { BoardRuns, type Sketch } from '../../support/board-runs.ts'

const job = (sketch: Partial<Sketch> = {}) => {
  const wanted = { name: 'build', prefer: { disk: 'nvme' }, ...sketch }
  return new BoardRuns().run('R', [wanted], { issuedAtMs: 1_000 }).job('R.0')
}
const plain = sampleView({ peerId: 'p1', name: 'onyx' })
const fast = sampleView({ peerId: 'p2', name: 'basalt', labels: { disk: 'nvme', site: 'a' } })
const own = { peerId: 'p1', labels: {} }
const at = (nowMs: number) => ({ issuedAtMs: 1_000, nowMs })

describe('an agent without the labels that a job prefers', () => {
  test('leaves it to one that has them, until the time to fall back', () => {
    const untilMs = 1_000 + FALLBACK_MS_DEFAULT
    const deference = deferenceOf(job(), own, [plain, fast], at(2_000))
    expect(deference).toEqual({ others: ['basalt'], untilMs })
    expect(deferenceOf(job(), own, [plain, fast], at(untilMs - 1))).toBeDefined()
    expect(deferenceOf(job(), own, [plain, fast], at(untilMs))).toBeUndefined()
  })

  test('waits as long as the job says', () => {
    const soon = job({ fallbackAfterMs: 500 })
    expect(fallbackAtMs(soon.spec, 1_000)).toBe(1_500)
    expect(deferenceOf(soon, own, [plain, fast], at(1_499))).toBeDefined()
    expect(deferenceOf(soon, own, [plain, fast], at(1_500))).toBeUndefined()
  })

  test('takes it where nobody could take it that has them', () => {
    const { labels } = fast.advertisement
    const paused = sampleView({ peerId: 'p2', labels, state: 'paused' })
    const silent = sampleView({ peerId: 'p2', labels }, { silentMs: 200_000 })
    const other = sampleView({ peerId: 'p2', labels: { disk: 'nvme' } })
    const unfit = job({ labels: { site: 'a' } })
    for (const agents of [[plain], [plain, paused], [plain, silent]]) {
      expect(deferenceOf(job(), own, agents, at(2_000))).toBeUndefined()
    }
    expect(deferenceOf(unfit, own, [plain, other], at(2_000))).toBeUndefined()
  })

  test('leaves it to one that is busy: its turn may come', () => {
    const room = { ...fast.advertisement.capacity, jobs: 0 }
    const busy = sampleView({ peerId: 'p2', labels: { disk: 'nvme' }, state: 'busy', free: room })
    expect(deferenceOf(job(), own, [plain, busy], at(2_000))?.others).toHaveLength(1)
  })
})

test('whoever has all that is preferred, and whoever is asked nothing, waits for nobody', () => {
  const able = { peerId: 'p2', labels: { disk: 'nvme', more: 'x' } }
  expect(deferenceOf(job(), able, [plain, fast], at(2_000))).toBeUndefined()
  expect(deferenceOf(job({ prefer: undefined }), own, [plain, fast], at(2_000))).toBeUndefined()
  expect(preferred(job({ prefer: undefined }), [plain, fast])).toEqual([])
  const half = { peerId: 'p1', labels: { disk: 'nvme' } }
  const both = job({ prefer: { disk: 'nvme', site: 'a' } })
  expect(deferenceOf(both, half, [fast], at(2_000))).toBeDefined()
})

test('a label that every object inherits is nobody’s', () => {
  const odd = job({ prefer: { constructor: 'x' } })
  expect(preferred(odd, [plain, fast])).toEqual([])
})
