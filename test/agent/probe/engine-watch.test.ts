import { expect, test } from 'vitest'
import type { EngineInfo } from '../../../agent/execute/engine-types.ts'
import { EngineWatch } from '../../../agent/probe/engine-watch.ts'
import { HostIsolation } from '../../../agent/probe/host-isolation.ts'
import { ENGINE_LOOK_EVERY_MS } from '../../../protocol/core/runtime-limits.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const GVISOR = { name: 'runsc', class: 'gvisor' } as const
const INFO = {
  security: new Set(['seccomp']),
  rootDir: '/var/lib/docker',
  version: '20.10.24',
  runtimes: [{ name: 'runsc', program: '/usr/bin/runsc' }]
} as unknown as EngineInfo

function watching(answer: () => Promise<EngineInfo>) {
  const clock = new FakeClock()
  const isolation = new HostIsolation(INFO, undefined)
  isolation.shown([GVISOR])
  const told: unknown[] = []
  const shows = { runtimes: [] as (typeof GVISOR)[] }
  const watch = new EngineWatch({
    engine: { info: answer },
    isolation,
    tryRuntimes: async () => isolation.shown(shows.runtimes),
    onChange: () => told.push([...isolation.levels]),
    clock,
    log: silentLog()
  })
  watch.start()
  const look = async (): Promise<void> => {
    await clock.advance(ENGINE_LOOK_EVERY_MS)
    await watch.idle()
  }
  return { watch, told, look, shows, isolation }
}

test('a runtime that vanishes with a new start of the engine is not offered any more', async () => {
  const { told, look, isolation } = watching(async () => ({ ...INFO, runtimes: [] }))
  await look()
  expect(told).toEqual([[], []])
  expect(isolation.runtimes).toEqual([])
})

test('a runtime that comes back is offered once it was tried again', async () => {
  const { told, look, shows } = watching(async () => ({ ...INFO, version: '29.0.0' }))
  shows.runtimes = [GVISOR]
  await look()
  expect(told).toEqual([[], ['gvisor']])
})

test('neither the same engine nor one that does not answer is news, and both are asked again', async () => {
  let asked = 0
  const { told, look, isolation } = watching(async () => {
    asked += 1
    if (asked === 2) throw new Error('away')
    return INFO
  })
  await look()
  await look()
  await look()
  expect([asked, told]).toEqual([3, []])
  expect(isolation.levels).toEqual(['gvisor'])
})

test('after its end nobody is asked', async () => {
  let asked = 0
  const { watch, look } = watching(async () => {
    asked += 1
    return INFO
  })
  await look()
  watch.stop()
  await look()
  expect(asked).toBe(1)
})
