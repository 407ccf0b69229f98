import { describe, expect, test } from 'vitest'
import type { Advertisement } from '../../../protocol/core/advertisement.ts'
import { codeOf } from '../../../protocol/core/errors.ts'
import type { Gpu } from '../../../protocol/core/gpu.ts'
import { GPUS_MAX } from '../../../protocol/core/gpu-limits.ts'
import type { HostPolicy } from '../../../protocol/core/host-policy.ts'
import {
  HOST_POLICY_BYTES_MAX,
  HOST_POLICY_PATTERNS_MAX,
  HOST_POLICY_STARS_MAX
} from '../../../protocol/core/host-policy-limits.ts'
import {
  FRAME_BYTES_MAX,
  GOSSIP_BYTES_MAX,
  GOSSIP_MANIFEST_BYTES_MAX,
  LOG_CHUNK_LINES_MAX,
  LOG_LINE_BYTES_MAX,
  RENEW_ITEMS_MAX,
  SYNC_ITEMS_MAX
} from '../../../protocol/core/limits.ts'
import type { RegisterReply, RegisterRequest } from '../../../protocol/core/messages.ts'
import {
  HOST_COST_PERCENT_MAX,
  HOST_COST_PERCENT_MIN,
  WARM_KEYS_MAX
} from '../../../protocol/core/placement-limits.ts'
import {
  decodeAdvertisement,
  encodeAdvertisement
} from '../../../protocol/wire/advertisement-codec.ts'
import { decodeFrame, encodeFrame } from '../../../protocol/wire/frame.ts'
import * as wire from '../../../protocol/wire/generated/gossip.ts'
import { decodeJobsMessage, encodeJobsMessage } from '../../../protocol/wire/hint-codec.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import { decodeLogRequest, encodeLogRequest } from '../../../protocol/wire/log-codec.ts'
import {
  decodeRegisterReply,
  decodeRegisterRequest,
  encodeRegisterReply,
  encodeRegisterRequest
} from '../../../protocol/wire/register-codec.ts'
import { sampleAd } from '../../support/arbitrary-board.ts'
import { MESSAGES } from './message-table.ts'
import { BOOT, CLAIM_ID, HASH, JOB_ID } from './samples.ts'

const GATEWAY = generateKey().peerId
const STORE_ID = '04'.repeat(16)

function codeThrown(task: () => unknown): string | undefined {
  try {
    task()
  } catch (error) {
    return codeOf(error) ?? String(error)
  }
  return undefined
}

test.each(MESSAGES.map((kind) => [kind.name, kind] as const))(
  '%s over its size is refused before it is read',
  (_name, kind) => {
    const bytes = new Uint8Array(FRAME_BYTES_MAX + 1_024)
    expect(codeThrown(() => kind.decode(bytes))).toBe('MESSAGE_TOO_LARGE')
  }
)

describe('the largest policy of a host fits, one byte or pattern more is refused:', () => {
  const lists = { repositories: [], refs: [], events: [], authors: [], images: [], registries: [] }
  const policyOf = (more: Partial<HostPolicy>): HostPolicy => {
    return { ...lists, pinned: true, trustedOnly: true, ...more }
  }
  const encoded = (more: Partial<HostPolicy>) => {
    const ad = sampleAd({ peerId: GATEWAY, policy: policyOf(more) })
    expect(decodeAdvertisement(encodeAdvertisement(ad))).toEqual(ad)
  }
  const long = (count: number): string[] => new Array<string>(count).fill('\u00e4'.repeat(128))

  test('bytes, of all its patterns together', () => {
    const half = { authors: long(4), images: long(3) }
    const rest = 'a'.repeat(HOST_POLICY_BYTES_MAX - 7 * 256)
    encoded({ ...half, refs: [rest] })
    expect(codeThrown(() => encoded({ ...half, refs: [rest], events: ['a'] }))).toBe(
      'MESSAGE_INVALID'
    )
  })

  test('stars, of all its patterns together', () => {
    const most = ['*a'.repeat(HOST_POLICY_STARS_MAX)]
    encoded({ refs: most })
    expect(codeThrown(() => encoded({ refs: most, authors: ['**'] }))).toBe('MESSAGE_INVALID')
  })

  test('patterns of one list, when it is sent and when it is read', () => {
    const most = new Array<string>(HOST_POLICY_PATTERNS_MAX).fill('a')
    encoded({ refs: most, authors: most })
    expect(codeThrown(() => encoded({ refs: [...most, 'a'] }))).toBe('MESSAGE_INVALID')
    const { policy: _none, ...bare } = wire.Advertisement.decode(
      encodeAdvertisement(sampleAd({ peerId: GATEWAY }))
    )
    const policy = { ...policyOf({}), ...lists, refs: [...most, 'a'] }
    const bytes = wire.Advertisement.encode({ ...bare, policy })
    expect(codeThrown(() => decodeAdvertisement(bytes))).toBe('MESSAGE_INVALID')
  })
})

describe('GPUs that may not be so are refused, when they are sent and when they are read:', () => {
  const gpu: Gpu = {
    id: 'nvidia:GPU-1',
    vendor: 'nvidia',
    model: 'H100',
    pci: '0000:3b:00.0',
    memoryBytes: 1,
    sharedMemory: false,
    driver: '580.65.06',
    architecture: 'sm_90',
    numaNode: 0,
    parent: undefined,
    health: 'ok',
    reasons: []
  }
  const ad = (gpus: readonly Gpu[]) => sampleAd({ peerId: GATEWAY, gpus })
  const most = Array.from({ length: GPUS_MAX }, (_, index) => ({ ...gpu, id: `nvidia:${index}` }))
  const { vendor: _vendor, ...bare } = gpu
  const health = wire.GpuHealth.GPU_HEALTH_OK

  test('the most that may be fit', () => {
    expect(decodeAdvertisement(encodeAdvertisement(ad(most)))).toEqual(ad(most))
  })

  test.each<readonly [string, readonly Gpu[]]>([
    ['one more', [...most, gpu]],
    ['one twice', [gpu, gpu]],
    ['no model', [{ ...gpu, model: '' }]],
    ['a reason of one that is well', [{ ...gpu, reasons: ['x'] }]],
    ['half a character', [{ ...gpu, model: '\ud800' }]]
  ])('%s', (_name, gpus) => {
    expect(codeThrown(() => encodeAdvertisement(ad(gpus)))).toBe('MESSAGE_INVALID')
    const message = wire.Advertisement.decode(sampleBytes())
    const hostile = gpus.map((each) => ({ ...bare, ...each, health }) as unknown as wire.Gpu)
    const bytes = wire.Advertisement.encode({ ...message, gpus: hostile })
    expect(codeThrown(() => decodeAdvertisement(bytes))).toBe('MESSAGE_INVALID')
  })

  test('an id of no vendor, five reasons, one that is lost and has none', () => {
    const read = (more: object): string => {
      const gpus = [{ ...bare, health, ...more } as unknown as wire.Gpu]
      const message = wire.Advertisement.decode(sampleBytes())
      const bytes = wire.Advertisement.encode({ ...message, gpus })
      return codeThrown(() => decodeAdvertisement(bytes)) ?? ''
    }
    expect(read({ id: 'matrox:1' })).toBe('MESSAGE_INVALID')
    const reasons = ['1', '2', '3', '4', '5']
    expect(read({ health: wire.GpuHealth.GPU_HEALTH_LOST, reasons })).toBe('MESSAGE_INVALID')
    expect(read({ health: wire.GpuHealth.GPU_HEALTH_LOST })).toBe('MESSAGE_INVALID')
  })

  function sampleBytes(): Uint8Array {
    return encodeAdvertisement(ad([]))
  }
})

describe('what an agent says for the order of claims alone', () => {
  const ad = (more: Partial<Advertisement>) => sampleAd({ peerId: GATEWAY, ...more })
  const key = 'a'.repeat(16)
  const message = () => wire.Advertisement.decode(encodeAdvertisement(ad({})))
  const read = (more: object): string | undefined => {
    return codeThrown(() => {
      decodeAdvertisement(wire.Advertisement.encode({ ...message(), ...more }))
    })
  }

  test('fits with the most keys that may be, one more is refused', () => {
    const most = ad({ warm: new Array<string>(WARM_KEYS_MAX).fill(key) })
    expect(decodeAdvertisement(encodeAdvertisement(most))).toEqual(most)
    const more = [...(most.warm ?? []), key]
    expect(codeThrown(() => encodeAdvertisement(ad({ warm: more })))).toBe('MESSAGE_INVALID')
    expect(read({ warm: more.map(() => new Uint8Array(8)) })).toBe('MESSAGE_INVALID')
    expect(read({ warm: [new Uint8Array(7)] })).toBe('MESSAGE_INVALID')
  })

  test('is no cost beyond its bounds, and none that is said in two ways', () => {
    for (const costPercent of [HOST_COST_PERCENT_MIN, HOST_COST_PERCENT_MAX]) {
      expect(decodeAdvertisement(encodeAdvertisement(ad({ costPercent })))).toEqual(
        ad({ costPercent })
      )
    }
    for (const costPercent of [HOST_COST_PERCENT_MIN - 1, HOST_COST_PERCENT_MAX + 1]) {
      expect(codeThrown(() => encodeAdvertisement(ad({ costPercent })))).toBe('MESSAGE_INVALID')
      expect(read({ costPercent })).toBe('MESSAGE_INVALID')
    }
    expect(read({ costPercent: 100 })).toBe('MESSAGE_INVALID')
    expect(decodeAdvertisement(encodeAdvertisement(ad({ costPercent: 100 })))).toEqual(ad({}))
  })
})

describe('the largest register message fits, one entry more is refused:', () => {
  const ann = { gateway: GATEWAY, gwSeq: Number.MAX_SAFE_INTEGER, annHash: HASH }
  const scope = { register: JOB_ID, witnessEpoch: Number.MAX_SAFE_INTEGER, storeId: STORE_ID, ann }

  test('renewals', () => {
    const stage = { name: 'step', step: 64, steps: 64 } as const
    const item = { scope, epoch: 1, claimId: CLAIM_ID, boot: BOOT, stage }
    const renew = (length: number): RegisterRequest => ({
      kind: 'renew',
      items: new Array<typeof item>(length).fill(item),
      seenSeq: Number.MAX_SAFE_INTEGER
    })
    const most = renew(RENEW_ITEMS_MAX)
    expect(decodeRegisterRequest(encodeRegisterRequest(most))).toStrictEqual(most)
    expect(codeThrown(() => encodeRegisterRequest(renew(RENEW_ITEMS_MAX + 1)))).toBe(
      'MESSAGE_INVALID'
    )
  })

  test('sync pages', () => {
    const item = {
      register: JOB_ID,
      witnessEpoch: 1,
      seq: Number.MAX_SAFE_INTEGER,
      version: 1,
      phase: 'queued',
      annHash: HASH
    } as const
    const page = (length: number): RegisterReply => ({
      kind: 'synced',
      storeId: STORE_ID,
      items: new Array<typeof item>(length).fill(item),
      next: 1,
      more: true
    })
    const most = page(SYNC_ITEMS_MAX)
    expect(decodeRegisterReply(encodeRegisterReply(most))).toStrictEqual(most)
    expect(codeThrown(() => encodeRegisterReply(page(SYNC_ITEMS_MAX + 1)))).toBe('MESSAGE_INVALID')
  })
})

describe('the largest other message fits, one entry more is refused:', () => {
  test('log chunks', () => {
    const push = (length: number, text: string): Parameters<typeof encodeLogRequest>[0] => ({
      kind: 'push',
      job: JOB_ID,
      epoch: 1,
      firstLine: 5,
      lines: Array.from({ length }, (_, index) => ({
        number: 5 + index,
        atMs: 1_700_000_000_000,
        step: 1,
        stream: 'out',
        text
      })),
      end: false
    })
    const most = push(LOG_CHUNK_LINES_MAX, '')
    expect(decodeLogRequest(encodeLogRequest(most))).toStrictEqual(most)
    const widest = push(1, 'ß'.repeat(LOG_LINE_BYTES_MAX / 2))
    expect(decodeLogRequest(encodeLogRequest(widest))).toStrictEqual(widest)
    for (const other of [push(LOG_CHUNK_LINES_MAX + 1, ''), push(1, `${'ß'.repeat(8_192)}a`)]) {
      expect(codeThrown(() => encodeLogRequest(other))).toBe('MESSAGE_INVALID')
    }
  })

  test('log chunks with a hole or another start are refused', () => {
    const line = { number: 2, atMs: 0, step: 1, stream: 'out', text: '' } as const
    for (const lines of [
      [line],
      [
        { ...line, number: 1 },
        { ...line, number: 3 }
      ]
    ]) {
      const push = { kind: 'push', job: JOB_ID, epoch: 1, firstLine: 1, lines, end: false } as const
      expect(codeThrown(() => encodeLogRequest(push))).toBe('MESSAGE_INVALID')
    }
  })

  test('gossiped announcements', () => {
    const message = (length: number): Parameters<typeof encodeJobsMessage>[0] => ({
      kind: 'announcement',
      bytes: new Uint8Array(length),
      repeat: 0
    })
    const most = message(GOSSIP_MANIFEST_BYTES_MAX)
    const bytes = encodeJobsMessage(most)
    expect(bytes.length).toBeLessThan(GOSSIP_BYTES_MAX)
    expect(decodeJobsMessage(bytes).kind).toBe('announcement')
    expect(Buffer.compare(encodeJobsMessage(decodeJobsMessage(bytes)), bytes)).toBe(0)
    expect(codeThrown(() => encodeJobsMessage(message(GOSSIP_MANIFEST_BYTES_MAX + 1)))).toBe(
      'MESSAGE_INVALID'
    )
  })

  test('frames', () => {
    const frame = (length: number): Parameters<typeof encodeFrame>[0] => ({
      id: 0xff_ff_ff_ff,
      kind: 'response',
      body: new Uint8Array(length),
      code: ''
    })
    const decoded = decodeFrame(encodeFrame(frame(FRAME_BYTES_MAX)))
    expect([decoded.id, decoded.body.length]).toEqual([0xff_ff_ff_ff, FRAME_BYTES_MAX])
    expect(codeThrown(() => encodeFrame(frame(FRAME_BYTES_MAX + 1)))).toBe('MESSAGE_INVALID')
    const others = [
      { ...frame(0), id: 2 ** 32 },
      { ...frame(0), code: 'OVERLOADED' },
      { ...frame(0), kind: 'error' as const }
    ]
    for (const other of others) {
      expect(codeThrown(() => encodeFrame(other))).toBe('MESSAGE_INVALID')
    }
  })
})
