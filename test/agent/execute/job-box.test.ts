import { expect, test } from 'vitest'
import { jobBox } from '../../../agent/execute/job-box.ts'
import type { OfferedRuntime } from '../../../agent/execute/runtime.ts'
import type { AskedLevel } from '../../../protocol/core/isolation.ts'

const RUNC = { name: 'runc', program: 'runc' }
const RUNSC = { name: 'runsc', program: '/usr/bin/runsc' }
const SHOWN: OfferedRuntime = { name: 'runsc', class: 'gvisor' }

const job = (isolation?: AskedLevel) => {
  return { trust: 'trusted', spec: { network: 'none', labels: {}, isolation } } as const
}

const parts = (patch: Partial<Parameters<typeof jobBox>[1]> = {}) => ({
  ground: { isolation: 'runc' as const, runtimes: [RUNC, RUNSC] },
  required: undefined,
  shown: [SHOWN],
  ...patch
})

test('a job that asks for a level gets the runtime that has shown it, and no other job does', () => {
  expect(jobBox(job('gvisor'), parts())).toMatchObject({ runtime: 'runsc' })
  expect(jobBox(job(), parts())).toMatchObject({ runtime: undefined })
})

test('a runtime that the engine has no longer is not asked for: the job is refused', () => {
  const ground = { isolation: 'runc', runtimes: [RUNC] } as const
  expect(() => jobBox(job('gvisor'), parts({ ground }))).toThrow(
    /needs isolation gvisor.*gives runc/
  )
})

test('a runtime that has shown nothing is not asked for, whatever it is called', () => {
  expect(() => jobBox(job('gvisor'), parts({ shown: [] }))).toThrow(/ISOLATION|gvisor/)
})

test('a container that there is already is gone on with in its own runtime, before any trial', () => {
  const again = parts({ shown: [], runsIn: 'runsc' })
  expect(jobBox(job('gvisor'), again)).toMatchObject({ runtime: 'runsc' })
  expect(() => jobBox(job('vm'), again)).toThrow(/needs isolation vm/)
  expect(() => jobBox(job('gvisor'), parts({ shown: [], runsIn: 'runc' }))).toThrow(/gvisor/)
})
