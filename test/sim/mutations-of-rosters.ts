import type { Mutation } from './mutation.ts'

const GATEWAY = 'test/sim/gateway.ts'

/** Changes of the roster (lease-protocol 4.9, 4.12.3, 4.12.4, 4.12.12). */
export const OF_ROSTERS: readonly Mutation[] = [
  {
    name: 'RULE3',
    schedule: 'rosters',
    rule: 'records are keyed by register and witness epoch, 4.12.3*',
    patches: [
      {
        file: 'test/sim/witness-registers.ts',
        find: 'const place = placeOf(key.register, key.witnessEpoch)\n',
        replace: 'const place = placeOf(key.register, 1)\n'
      }
    ]
  },
  {
    name: 'RULE4',
    schedule: 'rosters',
    rule: 'earlier epochs are sealed before a run begins, 4.12.4*',
    patches: [
      {
        file: GATEWAY,
        find: 'this.#sealAll(one, epochs, (found) => {',
        replace: 'this.#sealAll(one, epochs.slice(epochs.length), (found) => {'
      }
    ]
  },
  {
    name: 'RULE4B',
    schedule: 'rosters',
    rule: 'all earlier epochs are sealed, not the last one alone, 4.12.4*',
    patches: [
      {
        file: GATEWAY,
        find: 'this.#sealAll(one, epochs, (found) => {',
        replace: 'this.#sealAll(one, epochs.slice(-1), (found) => {'
      }
    ]
  },
  {
    name: 'EARLYLANDING',
    schedule: 'rosters',
    rule: 'a job lands only once its stop-sign is chosen, 4.9',
    patches: [
      {
        file: 'test/sim/renewals.ts',
        find: "if (isOver || (silent.size > 0 && of('ok') < quorum)) return\n",
        replace:
          "const sign = answers.find((one) => one.moved !== undefined)?.moved\n    if (sign !== undefined) jobs.land(ref, sign, () => undefined)\n    if (isOver || (silent.size > 0 && of('ok') < quorum)) return\n"
      },
      {
        file: 'test/sim/witness.ts',
        find: 'if (code === undefined) this.#acceptNow',
        replace: 'if (code !== null) this.#acceptNow'
      }
    ]
  },
  {
    name: 'LATELANDING',
    schedule: 'landings',
    rule: 'a witness that is late waits for the lease that came along, 4.12.12',
    patches: [
      {
        file: 'protocol/core/arrival.ts',
        find: 'if (permits(landing, value, { leftMs, confirmed, confirmedBoot: confirmed })) return\n',
        replace: 'if (confirmed || leftMs >= 0) return\n'
      }
    ]
  },
  {
    name: 'NEVERAWAY',
    schedule: 'absences',
    rule: 'a witness that is away for long is one to move off, 4.9',
    patches: [
      {
        file: 'protocol/core/move-duty.ts',
        find: 'return awayMs(peerId) > MOVE_AFTER_MS\n',
        replace: 'return awayMs(peerId) > MOVE_AFTER_MS * MOVE_AFTER_MS\n'
      }
    ]
  },
  {
    name: 'LANDINGTIMER',
    schedule: 'rosters',
    rule: 'a stop-sign keeps the lease in it, 4.12.12',
    patches: [
      {
        file: 'protocol/core/lease-timer.ts',
        find: "if (value.phase !== 'leased' && value.phase !== 'moved') return\n",
        replace: "if (value.phase !== 'leased') return\n"
      }
    ]
  }
]
