import { expect, test } from 'vitest'
import type { GpuDevice, GpuReading } from '../../../../agent/probe/gpu/gpu-device.ts'
import { GpuWatch, type GpuWatchParts } from '../../../../agent/probe/gpu/gpu-watch.ts'
import {
  GPU_LOOK_EVERY_MS,
  GPU_SCAN_EVERY_MS,
  GPU_SCAN_MS_MAX,
  GPUS_MAX
} from '../../../../protocol/core/gpu-limits.ts'
import { silentLog } from '../../../../protocol/host/log.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

const WELL: GpuDevice = {
  id: 'intel:0000:4d:00.0',
  vendor: 'intel',
  model: 'Intel GPU',
  pci: '0000:4d:00.0',
  memoryBytes: undefined,
  sharedMemory: false,
  driver: '',
  architecture: '',
  numaNode: undefined,
  parent: undefined,
  health: 'ok',
  reasons: [],
  nodes: ['/dev/dri/renderD128']
}
const OTHER = { ...WELL, id: 'intel:0000:03:00.0', pci: '0000:03:00.0' }
const ILL: GpuDevice = { ...WELL, health: 'unhealthy', reasons: ['it is hot'] }

function watching(settings?: GpuWatchParts['settings']) {
  const clock = new FakeClock()
  const state = { devices: [WELL] as readonly GpuDevice[], isNews: false, reads: 0 }
  const told: string[][] = []
  let answer = async (): Promise<GpuReading> => ({ devices: state.devices, warnings: [] })
  const host = {
    reading: '/proc/driver/nvidia/version',
    isNews: async () => state.isNews,
    read: async () => {
      state.reads += 1
      return await answer()
    },
    close: async () => undefined
  }
  const watch = new GpuWatch({ host, clock, log: silentLog(), settings })
  watch.onChange(() => told.push(watch.gpus.map(({ health }) => health)))
  watch.start()
  const pass = async (ms: number): Promise<void> => {
    await clock.advance(ms)
    await watch.idle()
  }
  const answering = (next: () => Promise<GpuReading>): void => {
    answer = next
  }
  return { clock, state, told, watch, pass, answering }
}

test('what is here is said once it was read, and no agent waits for it', async () => {
  const { watch, told, pass } = watching()
  expect(watch.gpus).toEqual([])
  await pass(0)

  const { nodes: _nodes, ...said } = WELL
  expect(watch.gpus).toEqual([said])
  expect(told).toEqual([['ok']])
  expect(watch.problems()).toEqual([])
})

test('they are read again every minute, and at once where there is news', async () => {
  const { state, pass, told } = watching()
  await pass(0)
  await pass(GPU_SCAN_EVERY_MS - GPU_LOOK_EVERY_MS)
  expect(state.reads).toBe(1)
  await pass(GPU_LOOK_EVERY_MS)
  expect(state.reads).toBe(2)

  state.isNews = true
  await pass(GPU_LOOK_EVERY_MS)
  expect(state.reads).toBe(3)
  expect(told).toHaveLength(1)
})

test('one that is gone is lost until it is back', async () => {
  const { state, pass, watch } = watching()
  state.devices = [WELL, OTHER]
  await pass(0)
  state.devices = [OTHER]
  await pass(GPU_SCAN_EVERY_MS)
  expect(watch.gpus.map(({ id, health }) => [id, health])).toEqual([
    [OTHER.id, 'ok'],
    [WELL.id, 'lost']
  ])
  expect(watch.problems()).toMatchObject([{ part: 'gpu', blocking: false }])
  expect(watch.problems()[0]?.found).toContain('takes no job: it is gone')

  state.devices = [WELL, OTHER]
  await pass(GPU_SCAN_EVERY_MS)
  expect(watch.gpus.map(({ health }) => health)).toEqual(['ok', 'ok'])
})

test('one that its owner divides is not lost', async () => {
  const { state, pass, watch } = watching()
  await pass(0)
  const part = { ...WELL, id: `${WELL.id}-1`, parent: WELL.id }
  state.devices = [part]
  await pass(GPU_SCAN_EVERY_MS)

  expect(watch.gpus.map(({ id, health }) => [id, health])).toEqual([[part.id, 'ok']])
})

test('one that was ill takes jobs again after two clean readings in a row', async () => {
  const { state, pass, watch } = watching()
  const health: unknown[] = []
  for (const devices of [[ILL], [WELL], [ILL], [WELL], [WELL], [WELL]]) {
    state.devices = devices
    await pass(GPU_SCAN_EVERY_MS)
    health.push(watch.gpus[0]?.health)
  }
  expect(health).toEqual(['unhealthy', 'unhealthy', 'unhealthy', 'unhealthy', 'ok', 'ok'])
})

test('GPUs that no advertisement has room for are counted in a warning', async () => {
  const { state, pass, watch } = watching()
  state.devices = Array.from({ length: GPUS_MAX + 2 }, (_, index) => {
    return { ...WELL, id: `${WELL.id}-${index}` }
  })
  await pass(0)

  expect(watch.gpus).toHaveLength(GPUS_MAX)
  expect(watch.problems()).toMatchObject([
    { found: '2 GPUs of this host are not advertised: at most 64 are' }
  ])
})

test('a mistake of the reader takes no GPU away', async () => {
  const { pass, watch, answering } = watching()
  await pass(0)
  answering(() => Promise.reject(new Error('a mistake')))
  await pass(GPU_SCAN_EVERY_MS)

  expect(watch.gpus).toMatchObject([{ id: WELL.id, health: 'ok' }])
  expect(watch.problems()).toMatchObject([
    { found: 'the GPUs of this host could not be read: a mistake' }
  ])
})

test('while a reading does not end its GPUs take no job, and no second one begins', async () => {
  const { clock, state, watch, answering, told } = watching()
  await clock.advance(0)
  await watch.idle()
  let end = (_: GpuReading): void => undefined
  answering(
    () =>
      new Promise((resolve) => {
        end = resolve
      })
  )
  await clock.advance(GPU_SCAN_EVERY_MS)
  await clock.advance(10 * GPU_SCAN_MS_MAX)
  expect(state.reads).toBe(2)
  expect(watch.gpus).toMatchObject([{ id: WELL.id, health: 'unhealthy' }])
  expect(watch.problems().map(({ found }) => found)).toContain(
    'reading the GPUs of this host does not end: it waits for /proc/driver/nvidia/version'
  )

  end({ devices: [WELL], warnings: [] })
  await watch.idle()
  expect(watch.gpus).toMatchObject([{ id: WELL.id, health: 'ok' }])
  expect(told).toEqual([['ok'], ['unhealthy'], ['ok']])
})

test('after its stop nothing is read or told', async () => {
  const { watch, clock, state, told } = watching()
  watch.stop()
  await clock.advance(GPU_SCAN_EVERY_MS)

  expect([state.reads, told, clock.armed()]).toEqual([0, [], 0])
})

test('what its owner ignores is not there, nor are its parts; a name of no GPU is told', async () => {
  const part = { ...OTHER, id: 'intel:0000:03:00.1', parent: OTHER.id }
  const settings = { ignore: [OTHER.id, 'nvidia:GPU-9'], shares: { [WELL.id]: 2 } }
  const { state, pass, watch } = watching(settings)
  state.devices = [WELL, OTHER, part]
  await pass(0)
  expect(watch.gpus.map(({ id }) => id)).toEqual([WELL.id])
  const [problem, ...more] = watch.problems().map(({ found }) => found)
  expect(problem).toContain('agent.yaml names nvidia:GPU-9, and this host has no such GPU')
  expect(more).toEqual([])
})

test('this host knows the nodes of what it says to others', async () => {
  const { pass, watch } = watching()
  await pass(0)
  expect(watch.devices).toEqual([WELL])
})

test('whose GPUs strangers get is told when it is another, the GPUs being the same', async () => {
  const { watch, told, pass, answering } = watching()
  await pass(0)
  const before = told.length
  const devices = [WELL]
  answering(async () => ({ devices, warnings: [], trustedOnly: ['intel'] }))
  await pass(GPU_SCAN_EVERY_MS)
  expect([watch.trustedOnly, told.length - before]).toEqual([['intel'], 1])

  answering(async () => ({ devices, warnings: [] }))
  await pass(GPU_SCAN_EVERY_MS)
  expect([watch.trustedOnly, told.length - before]).toEqual([[], 2])
})

test('of two devices with one id the first is offered, and it is said', async () => {
  const { watch, state, pass } = watching()
  state.devices = [WELL, { ...OTHER, id: WELL.id, nodes: ['/dev/dri/renderD129'] }]
  await pass(0)
  expect(watch.devices).toMatchObject([{ id: WELL.id, nodes: WELL.nodes }])
  expect(watch.problems().map(({ found }) => found)).toEqual([
    `two devices of this host have the id ${WELL.id}: the first one is offered, and no other`
  ])
})

test('devices that are others at each reading are not remembered without end', async () => {
  const { watch, state, pass } = watching()
  for (let reading = 0; reading < 5; reading += 1) {
    state.devices = Array.from({ length: 40 }, (_, index) => {
      const pci = `0000:${(10 + reading).toString(16)}:${index.toString(16).padStart(2, '0')}.0`
      return { ...WELL, id: `intel:${pci}`, pci }
    })
    await pass(GPU_SCAN_EVERY_MS)
  }
  expect(watch.gpus.filter(({ health }) => health === 'ok')).toHaveLength(40)
  // 64 of them and those that are here: what no advertisement has room for is counted.
  expect(watch.problems().map(({ found }) => found)).toContain(
    '40 GPUs of this host are not advertised: at most 64 are'
  )
})
