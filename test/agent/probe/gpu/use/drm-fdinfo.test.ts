import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { drmClient } from '../../../../../agent/probe/gpu/use/drm-fdinfo.ts'
import { DrmTimes } from '../../../../../agent/probe/gpu/use/drm-times.ts'

const MIB = 1_048_576
const KIB = 1_024

function text(...lines: readonly string[]): string {
  return ['pos:\t0', 'flags:\t02100002', 'mnt_id:\t24', 'ino:\t1204', ...lines, ''].join('\n')
}

/** As each driver says them, with `spent` for the time of its first engine. */
const AMDGPU = (spent: string) =>
  text(
    'drm-driver:\tamdgpu',
    'drm-client-id:\t30',
    'drm-pdev:\t0000:04:00.0',
    'pasid:\t32785',
    'drm-total-vram:\t600000 KiB',
    'drm-shared-vram:\t13584 KiB',
    'drm-resident-vram:\t544428 KiB',
    'drm-memory-vram:\t544429 KiB',
    'drm-memory-gtt:\t999999 KiB',
    `drm-engine-gfx:\t${spent} ns`,
    'drm-engine-enc_1:\t5 ns'
  )
const I915 = (spent: string) =>
  text(
    'drm-driver:\ti915',
    'drm-client-id:\t7',
    'drm-pdev:\t0000:00:02.0',
    'drm-total-system0:\t900 MiB',
    'drm-total-local0:\t2700 KiB',
    'drm-resident-local0:\t2600 KiB',
    `drm-engine-video:\t${spent} ns`,
    'drm-engine-capacity-video:\t2',
    'drm-engine-render:\t0 ns'
  )
const XE = (spent: string, total: string) =>
  text(
    'drm-driver:\txe',
    'drm-client-id:\t9',
    'drm-pdev:\t0000:03:00.0',
    'drm-total-vram0:\t3 GiB',
    'drm-total-gtt:\t1 GiB',
    `drm-cycles-ccs:\t${spent}`,
    `drm-total-cycles-ccs:\t${total}`,
    'drm-engine-capacity-ccs:\t4',
    'drm-cycles-rcs:\t77'
  )

function client(said: string) {
  const found = drmClient(said)
  if (found === undefined) throw new Error('no client')
  return found
}

describe('what the kernel says of an open GPU', () => {
  test('by amdgpu is read with its own memory, the resident figure first', () => {
    const { engines, ...rest } = client(AMDGPU('39456116802'))
    expect(rest).toEqual({
      key: '0000:04:00.0 client 30',
      pci: '0000:04:00.0',
      memoryBytes: 544_428 * KIB,
      percent: undefined
    })
    expect(engines.get('gfx')).toEqual({ spent: 39_456_116_802n, total: undefined, capacity: 1 })
    expect([...engines.keys()]).toEqual(['gfx', 'enc_1'])
  })

  test('by i915 has capacities, which are no times', () => {
    const { engines, memoryBytes } = client(I915('10'))
    expect(memoryBytes).toBe(2_600 * KIB)
    expect([...engines]).toEqual([
      ['video', { spent: 10n, total: undefined, capacity: 2 }],
      ['render', { spent: 0n, total: undefined, capacity: 1 }]
    ])
  })

  test('by xe has ticks, and those without a total say nothing', () => {
    const { engines, memoryBytes } = client(XE('100', '1000'))
    expect(memoryBytes).toBe(3_072 * MIB)
    expect([...engines]).toEqual([['ccs', { spent: 100n, total: 1_000n, capacity: 4 }]])
  })

  test('by a kernel before 5.19 has percents and the space of the process', () => {
    const old = text('pdev:\t0000:04:00.0', 'pasid:\t32772', 'vram mem:\t2048 kB', 'gfx0:\t12.50%')
    expect(client(`${old}dma0:\t2.50%\n`)).toEqual({
      key: '0000:04:00.0 pasid 32772',
      pci: '0000:04:00.0',
      memoryBytes: 2 * MIB,
      engines: new Map(),
      percent: 15
    })
  })

  test.each([
    ['no unit', '4096', 4_096],
    ['KiB', '4 KiB', 4_096],
    ['MiB', '4 MiB', 4 * MIB],
    ['GiB', '1 GiB', 1_024 * MIB],
    ['another unit', '4 TiB', 0],
    ['no number', 'all', 0]
  ])('of memory in %s is counted in bytes', (_unit, value, bytes) => {
    const said = text('drm-pdev:\t0000:03:00.0', 'drm-client-id:\t1', `drm-total-vram0:\t${value}`)
    expect(client(said).memoryBytes ?? 0).toBe(bytes)
  })

  test('of several regions of its own is counted once each, and never the host’s', () => {
    const said = text(
      'drm-pdev:\t0000:03:00.0',
      'drm-client-id:\t1',
      ...['drm-total-vram0:\t1 MiB', 'drm-total-vram1:\t2 MiB', 'drm-memory-cpu:\t9 GiB'],
      'drm-total-stolen-local0:\t5 MiB'
    )
    expect(client(said).memoryBytes).toBe(3 * MIB)
  })

  test('without a device or a client is no client', () => {
    expect(drmClient(text('drm-driver:\ti915', 'drm-client-id:\t1'))).toBeUndefined()
    expect(drmClient(text('drm-pdev:\t0000:03:00.0'))).toBeUndefined()
    expect(drmClient('')).toBeUndefined()
  })

  test('may be any text whatever', () => {
    fc.assert(fc.property(fc.string({ maxLength: 400 }), (said) => void drmClient(said)))
  })
})

describe('how busy a client is', () => {
  const KEY = '0000:04:00.0 client 30'

  test('is not known at first sight, and then what was spent since', () => {
    const times = new DrmTimes()
    expect(times.take([client(AMDGPU('90000000000'))], 1_000).get(KEY)).toBeUndefined()
    expect(times.take([client(AMDGPU('92500000000'))], 6_000).get(KEY)).toBe(50)
    expect(times.take([client(AMDGPU('92500000000'))], 11_000).get(KEY)).toBe(0)
  })

  test('is a part of all engines of a kind', () => {
    const times = new DrmTimes()
    times.take([client(I915('0'))], 0)
    expect([...times.take([client(I915('1000000000'))], 1_000).values()]).toEqual([50])
    times.take([client(XE('0', '0'))], 0)
    expect([...times.take([client(XE('2000', '1000'))], 9).values()]).toEqual([50])
  })

  test('is nothing where a counter went back, and known again from there on', () => {
    const times = new DrmTimes()
    times.take([client(AMDGPU('5000000000'))], 0)
    expect(times.take([client(AMDGPU('100'))], 1_000).get(KEY)).toBe(0)
    expect(times.take([client(AMDGPU('500000100'))], 2_000).get(KEY)).toBe(50)
  })

  test('of one that went and came again begins anew', () => {
    const times = new DrmTimes()
    times.take([client(AMDGPU('0'))], 0)
    times.take([], 1_000)
    expect(times.take([client(AMDGPU('900000000'))], 2_000).get(KEY)).toBeUndefined()
  })

  test('is between 0 and 100 whatever is counted', () => {
    const counter = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String)
    const looks = fc.array(fc.tuple(counter, counter, fc.integer({ min: 0, max: 9_000 })))
    fc.assert(
      fc.property(looks, (all) => {
        const times = new DrmTimes()
        let nowMs = 0
        for (const [spent, total, passedMs] of all) {
          nowMs += passedMs
          const clients = [client(AMDGPU(spent)), client(I915(spent)), client(XE(spent, total))]
          for (const busy of times.take(clients, nowMs).values()) {
            expect(busy >= 0 && busy <= 100).toBe(true)
          }
        }
      })
    )
  })
})
