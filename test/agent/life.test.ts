import { expect, test } from 'vitest'
import { Life } from '../../agent/life.ts'

function watched(): { readonly life: Life; readonly seen: string[] } {
  const life = new Life()
  const seen: string[] = []
  life.onChange(() => seen.push(life.state))
  return { life, seen }
}

test('it claims only once its host is probed and a quorum answers', () => {
  const { life, seen } = watched()
  expect([life.state, life.mayClaim]).toEqual(['starting', false])

  life.tell({ kind: 'probed' })
  expect(life.mayClaim).toBe(false)
  life.tell({ kind: 'quorum_answered' })

  expect([life.state, life.mayClaim]).toEqual(['idle', true])
  expect(seen.at(-1)).toBe('idle')
})

test('who listens hears of changes, and of nothing else', () => {
  const { life, seen } = watched()
  life.tell({ kind: 'probed' })
  life.tell({ kind: 'quorum_answered' })
  seen.length = 0

  life.tell({ kind: 'quorum_answered' })
  expect(seen).toEqual([])
  life.tell({ kind: 'job_taken', jobId: 'A.0' })
  life.tell({ kind: 'job_ended', jobId: 'A.0' })

  expect(seen).toEqual(['busy', 'idle'])
})

test('drained is when nothing is held any more, and nothing is claimed meanwhile', () => {
  const { life } = watched()
  life.tell({ kind: 'probed' })
  life.tell({ kind: 'quorum_answered' })
  life.tell({ kind: 'job_taken', jobId: 'A.0' })

  life.tell({ kind: 'drain' })
  expect([life.state, life.mayClaim, life.isDrained]).toEqual(['draining', false, false])
  life.tell({ kind: 'job_ended', jobId: 'A.0' })

  expect([life.mayClaim, life.isDrained]).toEqual([false, true])
})
