import type { ControlParts } from '../../agent/control/parts.ts'
import { LogStreams } from '../../protocol/api/log-streams.ts'
import { Metrics } from '../../protocol/api/metrics.ts'
import type { Advertisement } from '../../protocol/core/advertisement.ts'
import { Board } from '../../protocol/core/board.ts'
import type { Member, SealedRoster } from '../../protocol/core/roster.ts'
import { runWith } from './claim-bench.ts'
import { FakeClock } from './fake-clock.ts'
import { ScriptedLogs } from './follow-source.ts'

export const RUN = '7K3QF2ABCDEFGHJKMNPQRSTVWX'
const GIB = 2 ** 30

const member = (name: string, roles: Member['roles']): Member => ({
  peerId: `peer-${name}`,
  name,
  roles,
  addresses: ['/ip4/127.0.0.1/tcp/1'],
  witness: { storeId: '0'.repeat(32), zone: name },
  notAfterMs: 4e12
})

export const ROSTER: SealedRoster = {
  hash: 'h',
  bytes: new Uint8Array(),
  roster: {
    version: 4,
    prevHash: '',
    witnessEpoch: 3,
    w: 3,
    lease: 'default',
    authority: 'authority',
    members: [
      member('basalt', ['agent', 'witness']),
      member('front', ['gateway', 'witness']),
      member('onyx', ['agent', 'witness', 'operator'])
    ],
    revoked: []
  }
}

export function advertisement(name: string, more: Partial<Advertisement> = {}): Advertisement {
  return {
    peerId: `peer-${name}`,
    name,
    boot: '0'.repeat(16),
    sequence: 1,
    state: 'idle',
    version: '0.1.0',
    platforms: [{ name: 'linux/amd64', native: true }],
    networks: [],
    labels: { site: 'lab' },
    isolation: { offered: 'runc', required: undefined },
    diskLimit: 'soft',
    policy: undefined,
    closing: undefined,
    capacity: { cpuMilli: 4_000, memoryBytes: 8 * GIB, diskBytes: 80 * GIB, jobs: 4 },
    free: { cpuMilli: 4_000, memoryBytes: 8 * GIB, diskBytes: 80 * GIB, jobs: 4 },
    diskFreeBytes: GIB,
    engine: '20.10',
    jobs: [],
    sentAtMs: 0,
    leaving: false,
    ...more
  }
}

/** What the local API reads, on a real board with one run of two jobs; parts can be replaced. */
export function controlParts(more: Partial<ControlParts> = {}): ControlParts & {
  readonly board: Board
  readonly clock: FakeClock
} {
  const clock = new FakeClock()
  const board = new Board()
  board.addRun(runWith(RUN, 2), clock.wallMs())
  for (const name of ['onyx', 'basalt']) {
    board.foldAdvertisement(advertisement(name, { sentAtMs: clock.wallMs() }), clock.bootMs())
  }
  const witnesses = ROSTER.roster.members.map(({ peerId, name }) => ({
    peerId,
    name,
    reachable: true
  }))
  return {
    peerId: 'peer-onyx',
    name: 'onyx',
    version: '0.1.0',
    roster: () => ROSTER,
    links: () => [{ peerId: 'peer-basalt', address: 'x', rttMs: 3.2, sinceMs: 0 }],
    health: () => ({ witnesses, w: 3, quorum: 2 }),
    epochs: () => [],
    problems: () => [],
    gpuUse: () => ({ devices: new Map(), jobs: new Map() }),
    metrics: new Metrics(),
    follow: new ScriptedLogs({ board, clock, roster: () => ROSTER }),
    streams: new LogStreams(),
    orders: {
      view: () => ({ state: 'idle', jobs: [], drained: false }),
      drain: () => undefined,
      resume: () => undefined
    },
    cancel: async () => 'cancelled',
    readLog: async () => ({ from: 'none', page: { kind: 'absent' } }),
    admit: async () => ({ version: 5, witnessEpoch: 4 }),
    reseat: async () => ROSTER.roster,
    revoke: async () => ({ sealed: ROSTER, gone: [] }),
    invite: async ({ roles, witness }) => ({
      schema: 'agent.invite/1',
      string: 'rmj1.x',
      roles,
      witness,
      expiresAt: '2026-01-01T00:00:00.000Z',
      inviter: 'peer-onyx',
      addresses: ['/ip4/127.0.0.1/tcp/1']
    }),
    ...more,
    board,
    clock
  }
}
