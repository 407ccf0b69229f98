import type { WorldOptions } from './options.ts'

/** Nothing lost, nothing late, nothing broken, but for what a schedule adds. */
const CALM = {
  lossRate: 0,
  duplicateRate: 0,
  delayMsMax: 5,
  strayMsMax: 5,
  gossipLossRate: 0,
  syncMsMax: 5,
  hostileRate: 0,
  kinds: [],
  everyMsMax: 1_000
} as const

/** Every witness is back before jobs would move off it, and the world ends soon. */
const PRESENT = { absences: false, spares: 0, months: false } as const

/** Worlds for what random trouble is not likely to find (lease-protocol 4.12, Mutations). */
export const SCHEDULES = {
  /**
   * A long job whose holder loses one witness after the other, and a member that claims it all the
   * time: one witness after the other is free to take the next epoch.
   */
  swizzle: (options: WorldOptions): WorldOptions => ({
    ...options,
    ...PRESENT,
    witnesses: 3,
    agents: 2,
    lease: 'short',
    pushes: 1,
    jobsPerPushMax: 1,
    workMsMax: 60_000,
    troubleMs: 30_000,
    cancelRate: 0,
    rogue: true,
    faults: { ...CALM, kinds: ['swizzle'], everyMsMax: 12_000 }
  }),
  /** Agents that stand still at the wrong moment: a claim that was chosen is known to them late. */
  ambiguous: (options: WorldOptions): WorldOptions => ({
    ...options,
    ...PRESENT,
    witnesses: 3,
    agents: 4,
    lease: 'short',
    pushes: 1,
    jobsPerPushMax: 2,
    workMsMax: 30_000,
    troubleMs: 30_000,
    cancelRate: 0,
    rogue: true,
    faults: { ...CALM, lossRate: 0.1, kinds: ['pause', 'clog', 'cut'], everyMsMax: 1_000 }
  }),
  /** Engines that take their time, under leases that do not hold. */
  engine: (options: WorldOptions): WorldOptions => ({
    ...options,
    ...PRESENT,
    witnesses: 3,
    agents: 4,
    lease: 'short',
    workMsMax: 30_000,
    troubleMs: 30_000,
    rogue: false,
    faults: {
      ...CALM,
      kinds: ['slow_engine', 'hung_engine', 'cut', 'partition', 'pause'],
      everyMsMax: 700
    }
  }),
  /** Agents that are killed again and again under their jobs, and started again at once. */
  restarts: (options: WorldOptions): WorldOptions => ({
    ...options,
    ...PRESENT,
    witnesses: 3,
    agents: 3,
    lease: 'short',
    workMsMax: 30_000,
    troubleMs: 30_000,
    cancelRate: 0,
    rogue: true,
    faults: {
      ...CALM,
      lossRate: 0.1,
      strayMsMax: 1_500,
      kinds: ['restart', 'restart', 'restart', 'crash', 'clog', 'cut'],
      everyMsMax: 800
    }
  }),
  /** And where engines are slow: a dead process's container starts after the next one's boot. */
  boots: (options: WorldOptions): WorldOptions => ({
    ...options,
    ...PRESENT,
    witnesses: 3,
    agents: 3,
    lease: 'short',
    slots: 2,
    pushes: 4,
    jobsPerPushMax: 2,
    workMsMax: 12_000,
    troubleMs: 25_000,
    cancelRate: 0,
    rogue: false,
    faults: {
      ...CALM,
      kinds: ['restart', 'restart', 'restart', 'slow_engine', 'slow_engine'],
      everyMsMax: 800
    }
  }),
  /** The roster changes while runs begin, and gateways sleep through it. */
  rosters: (options: WorldOptions): WorldOptions => ({
    ...options,
    ...PRESENT,
    witnesses: 5,
    agents: 4,
    gateways: 2,
    lease: 'short',
    pushes: 3,
    workMsMax: 12_000,
    troubleMs: 25_000,
    replayRate: 0.8,
    rogue: false,
    faults: {
      ...CALM,
      lossRate: 0.05,
      strayMsMax: 1_500,
      kinds: ['roster_change', 'roster_change', 'pause', 'partition', 'cut', 'clog'],
      everyMsMax: 900
    }
  }),
  /** Jobs move under a member that claims them at once, wherever they are. */
  landings: (options: WorldOptions): WorldOptions => ({
    ...options,
    ...PRESENT,
    witnesses: 5,
    agents: 3,
    gateways: 1,
    lease: 'short',
    pushes: 2,
    workMsMax: 30_000,
    troubleMs: 20_000,
    cancelRate: 0,
    rogue: true,
    faults: {
      ...CALM,
      lossRate: 0.1,
      strayMsMax: 800,
      kinds: ['roster_change', 'cut', 'clog'],
      everyMsMax: 1_500
    }
  }),
  /** Two gateways announce each push in other words, and whoever sees one of them asks at once. */
  twins: (options: WorldOptions): WorldOptions => ({
    ...options,
    ...PRESENT,
    witnesses: 3,
    agents: 2,
    gateways: 2,
    lease: 'short',
    pushes: 3,
    troubleMs: 12_000,
    cancelRate: 1,
    replayRate: 0.8,
    equivocates: true,
    rogue: false,
    faults: { ...CALM, strayMsMax: 300 }
  }),
  /** Short jobs, soon dropped, and messages that come long after. */
  drops: (options: WorldOptions): WorldOptions => ({
    ...options,
    ...PRESENT,
    witnesses: 3,
    agents: 3,
    gateways: 1,
    lease: 'short',
    pushes: 6,
    workMsMax: 800,
    troubleMs: 30_000,
    cancelRate: 0,
    rogue: false,
    faults: {
      ...CALM,
      lossRate: 0.05,
      duplicateRate: 0.2,
      strayMsMax: 6_000,
      kinds: ['pause', 'clog', 'cut', 'slow_engine'],
      everyMsMax: 1_500
    }
  }),
  /** Jobs that are dropped and forgotten, and an agent of one that comes back months later. */
  months: (options: WorldOptions): WorldOptions => ({
    ...options,
    ...PRESENT,
    witnesses: 3,
    agents: 3,
    gateways: 2,
    lease: 'short',
    pushes: 4,
    workMsMax: 6_000,
    troubleMs: 20_000,
    cancelRate: 0,
    replayRate: 0.5,
    rogue: false,
    months: true,
    faults: {
      ...CALM,
      lossRate: 0.05,
      duplicateRate: 0.1,
      strayMsMax: 1_500,
      kinds: ['restart', 'clog', 'cut'],
      everyMsMax: 1_500
    }
  }),
  /** Long jobs, all of them cancelled while they run, under agents that lose their witnesses. */
  graces: (options: WorldOptions): WorldOptions => ({
    ...options,
    ...PRESENT,
    witnesses: 3,
    agents: 3,
    lease: 'short',
    slots: 2,
    pushes: 3,
    workMsMax: 30_000,
    troubleMs: 25_000,
    cancelRate: 0.6,
    rogue: false,
    graces: true,
    giveUpRate: 0,
    faults: { ...CALM, kinds: ['cut', 'partition', 'restart'], everyMsMax: 3_000 }
  }),
  /** Every other change is given up, mostly while its accepts are on their way. */
  abandons: (options: WorldOptions): WorldOptions => ({
    ...options,
    ...PRESENT,
    witnesses: 3,
    agents: 4,
    gateways: 2,
    lease: 'short',
    pushes: 3,
    workMsMax: 3_000,
    troubleMs: 20_000,
    cancelRate: 0.3,
    replayRate: 0.8,
    rogue: false,
    giveUpRate: 0.5,
    faults: {
      ...CALM,
      lossRate: 0.05,
      delayMsMax: 150,
      strayMsMax: 1_500,
      kinds: ['clog', 'cut', 'crash'],
      everyMsMax: 1_500
    }
  }),
  /** Long jobs, and witnesses that are away for long while the roster changes. */
  absences: (options: WorldOptions): WorldOptions => ({
    ...options,
    witnesses: 5,
    spares: 3,
    agents: 3,
    lease: 'short',
    slots: 2,
    pushes: 3,
    workMsMax: 30_000,
    troubleMs: 45_000,
    rogue: false,
    absences: true,
    months: false,
    faults: { ...CALM, lossRate: 0.02, strayMsMax: 800, kinds: ['cut', 'clog'], everyMsMax: 4_000 }
  }),
  /** A little is lost, and nothing else: each end must come to each witness all the same. */
  lossy: (options: WorldOptions): WorldOptions => ({
    ...options,
    ...PRESENT,
    witnesses: 5,
    lease: 'short',
    workMsMax: 2_000,
    rogue: false,
    watchesWitnesses: true,
    faults: { ...CALM, lossRate: 0.02 }
  })
} as const

export type ScheduleName = keyof typeof SCHEDULES

export function isSchedule(text: string): text is ScheduleName {
  return Object.hasOwn(SCHEDULES, text)
}
