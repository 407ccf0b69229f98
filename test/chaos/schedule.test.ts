import { describe, expect, test } from 'vitest'
import { drawSchedule, type Grounds } from './schedule.ts'
import { AGENTS, ENGINES, GATEWAYS, LOSABLE, SMALL_DISKS } from './world.ts'

const GROUNDS: Grounds = {
  agents: AGENTS,
  gateways: GATEWAYS,
  engines: ENGINES,
  smallDisks: SMALL_DISKS,
  losable: LOSABLE
}
const SEEDS = [1, 2, 3, 20_261_126]

describe('a schedule of faults', () => {
  test('is the same for the same seed, and another for another', () => {
    expect(drawSchedule(7, 3, GROUNDS)).toEqual(drawSchedule(7, 3, GROUNDS))
    expect(drawSchedule(7, 3, GROUNDS)).not.toEqual(drawSchedule(8, 3, GROUNDS))
  })

  test.each(SEEDS)(
    'of three minutes has every kind of fault but one loss of a store: seed %i',
    (seed) => {
      const kinds = new Set(drawSchedule(seed, 3, GROUNDS).map(({ kind }) => kind))

      expect(kinds.size).toBeGreaterThanOrEqual(15)
    }
  )

  test.each(SEEDS)('of an hour loses no store while another is fresh: seed %i', (seed) => {
    const losses = drawSchedule(seed, 60, GROUNDS).filter(({ kind }) => kind.startsWith('store-'))
    const gaps = losses.slice(1).map(({ atMs }, index) => atMs - (losses[index]?.atMs ?? 0))

    expect(losses.length).toBeGreaterThan(10)
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(90_000)
  })

  test.each(SEEDS)('loses stores of so few that every epoch keeps a majority: seed %i', (seed) => {
    const losses = drawSchedule(seed, 60, GROUNDS).filter(({ kind }) => kind.startsWith('store-'))
    const hosts = new Set(losses.map((fault) => ('host' in fault ? fault.host : '')))

    expect(hosts.size).toBeLessThanOrEqual((AGENTS.length - 1) / 2)
  })
})
