import { expect, test } from 'vitest'
import { z } from 'zod'
import { agentSighting, agentSightingShape } from '../../../protocol/api/agent-sighting.ts'
import { Board } from '../../../protocol/core/board.ts'
import { GPU_WHOLE } from '../../../protocol/core/gpu-request-limits.ts'
import { A_GPU } from '../../support/arbitrary-gpu-rooms.ts'
import { advertisement } from '../../support/control-parts.ts'

const schema = z.strictObject(agentSightingShape)

test('an agent that was heard is what it advertised, in cores and bytes', () => {
  const board = new Board()
  const free = { cpuMilli: 1_500, memoryBytes: 2 ** 30, diskBytes: 2 ** 32, jobs: 3 }
  board.foldAdvertisement(advertisement('onyx', { state: 'busy', jobs: ['x.0'], free }), 1_000)

  const sighting = agentSighting(board.agent('peer-onyx', 4_000), { rttMs: 3.2 }, 4_000)

  expect(schema.parse(sighting)).toEqual(sighting)
  expect(sighting).toEqual({
    state: 'busy',
    jobsRunning: 1,
    platforms: [{ name: 'linux/amd64', native: true }],
    labels: { site: 'lab' },
    isolation: { offered: 'runc', levels: [], required: null },
    networks: { offered: [], rules: null },
    policy: null,
    closing: null,
    diskLimit: 'soft',
    capacity: { cpu: 4, memoryBytes: 2 ** 33, diskBytes: 80 * 2 ** 30, jobs: 4 },
    free: { cpu: 1.5, memoryBytes: 2 ** 30, diskBytes: 2 ** 32, jobs: 3 },
    diskFreeBytes: 2 ** 30,
    gpus: [],
    engine: '20.10',
    roundTripMs: 3.2,
    lastSeenMs: 3_000,
    version: '0.1.0',
    jobs: ['x.0']
  })
})

test.each([
  ['with a link', { rttMs: undefined }, 'starting'],
  ['without one', undefined, 'offline']
])('an agent never heard, %s, is shown with nothing known', (_name, link, state) => {
  const sighting = agentSighting(undefined, link, 0)

  expect(schema.parse(sighting)).toEqual(sighting)
  expect(sighting).toMatchObject({ state, jobsRunning: null, capacity: null, lastSeenMs: null })
  expect([sighting.platforms, sighting.jobs, sighting.labels]).toEqual([[], [], {}])
})

test("an agent's policy is shown as it is advertised, and why it is closed", () => {
  const policy = {
    repositories: ['team/*'],
    refs: [],
    events: [],
    authors: [],
    images: [],
    registries: ['docker.io'],
    pinned: false,
    trustedOnly: true
  }
  const closing = { by: 'load', text: 'it is busy' } as const
  const board = new Board()
  board.foldAdvertisement(advertisement('onyx', { policy, closing }), 0)

  const sighting = agentSighting(board.agent('peer-onyx', 0), undefined, 0)

  expect(schema.parse(sighting)).toMatchObject({ policy, closing })
})

test('GPUs are shown as they are advertised, what is not known as null', () => {
  const gpu = {
    id: 'amd:0000:63:00.0',
    vendor: 'amd',
    model: 'AMD gfx1103 (1002:15bf)',
    pci: '0000:63:00.0',
    memoryBytes: undefined,
    sharedMemory: true,
    driver: '6.8.0',
    architecture: 'gfx1103',
    numaNode: undefined,
    parent: undefined,
    health: 'unhealthy',
    reasons: ['its reset failed']
  } as const
  const board = new Board()
  board.foldAdvertisement(advertisement('onyx', { gpus: [gpu] }), 0)

  const sighting = agentSighting(board.agent('peer-onyx', 0), undefined, 0)

  expect(schema.parse(sighting).gpus).toEqual([
    {
      ...gpu,
      memoryBytes: null,
      numaNode: null,
      parent: null,
      shares: 1,
      held: 0,
      jobs: [],
      use: null
    }
  ])
})

test('a GPU is shown with how many may share it, how much of it is held, and by whom', () => {
  const board = new Board()
  const gpuTerms = { shares: [{ id: A_GPU.id, slots: 4 }], untrusted: false }
  const gpusHeld = [{ id: A_GPU.id, units: GPU_WHOLE / 2, jobs: ['R.0', 'R.1'] }]
  board.foldAdvertisement(advertisement('onyx', { gpus: [A_GPU], gpuTerms, gpusHeld }), 0)
  const [gpu] = agentSighting(board.agent('peer-onyx', 0), undefined, 0).gpus
  expect(gpu).toMatchObject({ shares: 4, held: 0.5, jobs: ['R.0', 'R.1'] })
})

test('a GPU is shown with how its agent saw it used, and how long ago that was', () => {
  const board = new Board()
  const gpuLook = { ageMs: 4_000, gpus: [{ id: A_GPU.id, busyPercent: 87, jobs: [] }] }
  board.foldAdvertisement(advertisement('onyx', { gpus: [A_GPU], gpuLook }), 1_000)

  const [gpu] = agentSighting(board.agent('peer-onyx', 3_000), undefined, 3_000).gpus

  expect(gpu?.use).toEqual({
    busyPercent: 87,
    memoryBytes: null,
    powerWatts: null,
    temperature: null,
    ageMs: 6_000
  })
})
