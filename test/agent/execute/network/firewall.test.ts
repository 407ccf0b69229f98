import { beforeEach, describe, expect, test } from 'vitest'
import { Firewall } from '../../../../agent/execute/network/firewall.ts'
import { type Opening, openingKey } from '../../../../agent/execute/network/openings.ts'
import type { RuleTable } from '../../../../agent/execute/network/rule-table.ts'
import {
  NETWORK_CHECK_EVERY_MS,
  NETWORK_FAILURES_MAX
} from '../../../../protocol/core/network-limits.ts'
import { silentLog } from '../../../../protocol/host/log.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

async function look(times: number): Promise<void> {
  for (let time = 0; time < times; time += 1) await clock.advance(NETWORK_CHECK_EVERY_MS)
}

const cutOf = (bridge: string) => (reason: Error) => void cut.push(`${bridge}: ${reason.message}`)

const RULES = 7

/** What a kernel does with the few calls that a firewall makes. */
class Kernel implements RuleTable {
  readonly rules = RULES
  table: string | undefined
  openings = new Map<string, Opening>()
  taken = RULES
  broken: string | undefined
  onList: () => void = () => undefined

  async list() {
    this.onList()
    if (this.broken !== undefined) throw new Error(this.broken)
    if (this.table === undefined) return undefined
    return { fingerprint: this.table, rules: this.taken, openings: [...this.openings.values()] }
  }

  async lay(openings: readonly Opening[]) {
    this.openings.clear()
    this.table = 'ours'
    await this.add(openings)
  }

  async add(openings: readonly Opening[]) {
    for (const opening of openings) this.openings.set(openingKey(opening), opening)
  }

  async remove(openings: readonly Opening[]) {
    for (const opening of openings) {
      if (!this.openings.delete(openingKey(opening))) throw new Error('No such element')
    }
  }

  flush(): void {
    this.table = undefined
    this.openings.clear()
  }
}

const MINE = opening('rmja00000001', '1.2.3.4', 32)
const OTHERS = opening('rmja00000002', '10.0.0.0', 8)
const DEAD = opening('rmja00000003', '10.0.0.0', 8)

function opening(bridge: string, address: string, prefix: number): Opening {
  return { bridge, address, prefix, protocol: 'tcp', ports: { first: 80, last: 80 } }
}

const keyed = (openings: readonly Opening[]) =>
  new Map(openings.map((one) => [openingKey(one), one]))

let kernel: Kernel
let clock: FakeClock
let interfaces: Set<string>
let firewall: Firewall
let cut: string[]
let changes: number

beforeEach(() => {
  kernel = new Kernel()
  clock = new FakeClock()
  interfaces = new Set(['lo', 'rmja00000001', 'rmja00000002'])
  const host = { interfaces: async () => interfaces }
  firewall = new Firewall({ table: kernel, host, clock, log: silentLog() })
  ;[cut, changes] = [[], 0]
  firewall.onChange(() => {
    changes += 1
  })
})

describe('the rules of a host', () => {
  test('are there before anything is opened, and what is opened is in them', async () => {
    await firewall.open('rmja00000001', [MINE], cutOf('rmja00000001'))

    expect(kernel.table).toBe('ours')
    expect([...kernel.openings.values()]).toEqual([MINE])
  })

  test('are put back with all that this agent opened when somebody flushed them', async () => {
    await firewall.open('rmja00000001', [MINE], cutOf('rmja00000001'))
    kernel.flush()
    await firewall.open('rmju00000009', [], cutOf('rmju00000009'))

    expect(kernel.table).toBe('ours')
    expect([...kernel.openings.values()]).toEqual([MINE])
  })

  test('are looked at while a job has a network, and no longer', async () => {
    await firewall.open('rmja00000001', [MINE], cutOf('rmja00000001'))
    kernel.flush()
    await clock.advance(NETWORK_CHECK_EVERY_MS)
    await firewall.check()
    expect(kernel.table).toBe('ours')

    await firewall.close('rmja00000001')
    kernel.flush()
    await clock.advance(10 * NETWORK_CHECK_EVERY_MS)
    expect(kernel.table).toBeUndefined()
  })

  test('of another agent are left, those of bridges that are gone are not', async () => {
    kernel.table = 'of an older version'
    kernel.openings = keyed([OTHERS, DEAD])
    await firewall.check()
    expect([...kernel.openings.values()]).toEqual([OTHERS])

    interfaces.delete('rmja00000002')
    await firewall.close('rmja00000001')
    expect([...kernel.openings.values()]).toEqual([])
  })

  test('that somebody changed are replaced', async () => {
    await firewall.check()
    kernel.table = 'with a hole'
    await firewall.check()
    expect(kernel.table).toBe('ours')
  })

  test('that a kernel does not take as they are count as none', async () => {
    kernel.taken = RULES - 1
    await expect(firewall.check()).rejects.toMatchObject({ code: 'NETWORK_UNENFORCED' })
  })

  test('that cannot be looked at open nothing, and the next look may', async () => {
    kernel.broken = 'Operation not permitted'
    const opened = firewall.open('rmja00000001', [MINE], cutOf('rmja00000001'))
    await expect(opened).rejects.toThrow('Operation not permitted')

    kernel.broken = undefined
    await firewall.open('rmja00000001', [MINE], cutOf('rmja00000001'))
    expect([...kernel.openings.values()]).toEqual([MINE])
  })

  test('that cannot be looked at for a moment cut nobody off', async () => {
    await firewall.open('rmja00000001', [MINE], cutOf('rmja00000001'))
    for (let round = 0; round < 3; round += 1) {
      kernel.broken = 'Resource temporarily unavailable'
      await look(NETWORK_FAILURES_MAX - 1)
      kernel.broken = undefined
      await look(1)
    }
    expect(cut).toEqual([])
    expect(firewall.lost).toBeUndefined()
  })

  test('that cannot be looked at again cut off every job, and count as none until they can', async () => {
    await firewall.open('rmja00000001', [MINE], cutOf('rmja00000001'))
    await firewall.open('rmja00000002', [], cutOf('rmja00000002'))
    kernel.flush()
    kernel.broken = 'Operation not permitted'
    await look(NETWORK_FAILURES_MAX)

    expect(cut).toEqual([
      expect.stringMatching(/^rmja00000001: .*Operation not permitted/),
      expect.stringMatching(/^rmja00000002: .*Operation not permitted/)
    ])
    expect([firewall.lost, changes]).toEqual(['Operation not permitted', 1])

    await firewall.close('rmja00000001')
    await firewall.close('rmja00000002')
    await look(2)
    expect(firewall.lost).toBe('Operation not permitted')
    kernel.broken = undefined
    await look(1)
    expect([firewall.lost, changes]).toEqual([undefined, 2])
  })

  test('are looked at no more once the agent stops, in the middle of a look too', async () => {
    await firewall.open('rmja00000001', [MINE], cutOf('rmja00000001'))
    kernel.onList = () => firewall.stop()
    await look(1)
    kernel.flush()
    await look(2)
    expect(kernel.table).toBeUndefined()
  })

  test('forget a bridge that somebody else removed', async () => {
    await firewall.open('rmja00000001', [MINE], cutOf('rmja00000001'))
    interfaces.delete('rmja00000001')
    await look(1)
    expect([...kernel.openings.values()]).toEqual([])

    kernel.flush()
    await look(2)
    expect(kernel.table).toBeUndefined()
  })
})
