import { expect, test } from 'vitest'
import { jobBox } from '../../../agent/execute/job-box.ts'
import type { OfferedRuntime } from '../../../agent/execute/runtime.ts'
import type { AskedLevel } from '../../../protocol/core/isolation.ts'

const RUNC = { name: 'runc', program: 'runc' }
const RUNSC = { name: 'runsc', program: '/usr/bin/runsc' }
const ENGINE = { security: new Set<string>(), rootDir: '/', version: '29.0.0' }
const SHOWN: OfferedRuntime = { name: 'runsc', class: 'gvisor' }

const job = (isolation?: AskedLevel) => {
  return {
    jobId: 'R.0',
    trust: 'trusted',
    spec: { network: 'none', labels: {}, isolation }
  } as const
}

const parts = (patch: Partial<Parameters<typeof jobBox>[1]> = {}) => ({
  ground: { isolation: 'runc' as const, engine: { ...ENGINE, runtimes: [RUNC, RUNSC] } },
  required: undefined,
  shown: [SHOWN],
  offersBuilder: false,
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

test('a builder waits for its trial, unless its container runs already; a stranger has none', () => {
  const spec = { network: 'none', labels: {}, builder: true } as const
  const builds = { jobId: 'R.0', trust: 'trusted', spec } as const
  const profile = expect.objectContaining({ name: 'builder' })
  expect(() => jobBox(builds, parts())).toThrow(/R\.0/)
  expect(jobBox(builds, parts({ offersBuilder: true }))).toMatchObject({ profile })
  expect(jobBox(builds, parts({ runsIn: 'runc' }))).toMatchObject({ profile })
  const stranger = { ...builds, trust: 'untrusted' } as const
  expect(() => jobBox(stranger, parts({ offersBuilder: true }))).toThrow(/R\.0/)
})
