import { expect, test } from 'vitest'
import { jobBox } from '../../../agent/execute/job-box.ts'
import type { OfferedRuntime } from '../../../agent/execute/runtime.ts'
import type { AskedLevel } from '../../../protocol/core/isolation.ts'

const RUNC = { name: 'runc', program: 'runc' }
const RUNSC = { name: 'runsc', program: '/usr/bin/runsc' }
const ENGINE = { security: new Set<string>(), rootDir: '/', version: '29.0.0' }
const SHOWN: OfferedRuntime = { name: 'runsc', class: 'gvisor' }

const job = (isolation?: AskedLevel) => {
  return { trust: 'trusted', spec: { network: 'none', labels: {}, isolation } } as const
}

const parts = (patch: Partial<Parameters<typeof jobBox>[1]> = {}) => ({
  ground: { isolation: 'runc' as const, engine: { ...ENGINE, runtimes: [RUNC, RUNSC] } },
  required: undefined,
  shown: [SHOWN],
  ...patch
})

test('a job that asks for a level gets the runtime that has shown it, and no other job does', () => {
  expect(jobBox(job('gvisor'), parts())).toMatchObject({ runtime: 'runsc' })
  expect(jobBox(job(), parts())).toMatchObject({ runtime: undefined })
})

test('a runtime that has shown nothing is not asked for, whatever it is called', () => {
  const untried = parts({ shown: [] })
  expect(() => jobBox(job('gvisor'), untried)).toThrow(/needs isolation gvisor.*gives runc/)
})

test('a container that there is already is gone on with in its own runtime, before any trial', () => {
  const again = parts({ shown: [], runsIn: 'runsc' })
  expect(jobBox(job('gvisor'), again)).toMatchObject({ runtime: 'runsc' })
  expect(() => jobBox(job('vm'), again)).toThrow(/needs isolation vm/)
  expect(() => jobBox(job('gvisor'), parts({ shown: [], runsIn: 'runc' }))).toThrow(/gvisor/)
})
