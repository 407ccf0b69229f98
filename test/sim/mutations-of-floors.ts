import { ACCEPTOR, type Mutation } from './mutation.ts'

/** What has ended stays ended (lease-protocol 4.10, 4.12.5, 4.12.6). */
export const OF_FLOORS: readonly Mutation[] = [
  {
    name: 'RULE5PREPARE',
    rule: 'what is dropped, or below a floor, is promised to nobody, 4.12.5*',
    patches: [
      {
        file: ACCEPTOR,
        find: '  if (isGoneFor(state, request.scope.ann, context)) return refuseGone(state)\n  const highest',
        replace: '  const highest'
      }
    ]
  },
  {
    name: 'RULE5ACCEPT',
    rule: 'a late or doubled accept revives nothing, 4.12.5*',
    patches: [
      {
        file: ACCEPTOR,
        find: '  if (refs.some((ann) => isGoneFor(state, ann, context))) return refuseGone(state)\n',
        replace: ''
      }
    ]
  },
  {
    name: 'RULE5READ',
    rule: 'a read of what is dropped says gone, and not that it is empty, 4.12.5*',
    patches: [
      {
        file: ACCEPTOR,
        find: '  if (isGoneFor(state, ann, context)) return refuseGone(state)\n',
        replace: ''
      }
    ]
  },
  {
    name: 'RULE5RENEW',
    schedule: 'drops',
    rule: 'a late renewal of what is dropped is told that it is gone, 4.12.5*',
    patches: [
      {
        file: ACCEPTOR,
        find: "if (isGoneFor(state, item.scope.ann, context)) return step('gone')\n",
        replace: ''
      }
    ]
  },
  {
    name: 'RULE5FLOOR',
    rule: 'no witness raises a floor by itself, 4.12.5*',
    patches: [
      {
        file: 'test/sim/floors.ts',
        find: 'const gwSeq = floorIn(announcement)\n',
        replace: 'const gwSeq = Math.max(floorIn(announcement), announcement.gwSeq - 1)\n'
      }
    ]
  },
  {
    name: 'RULE5FORGOTTEN',
    schedule: 'months',
    rule: 'the floor answers once a tombstone is over, 4.10, 4.12.5*',
    patches: [
      {
        file: 'protocol/core/floor.ts',
        find: 'return ann.gwSeq <= floorOf(ann.gateway)\n',
        replace: 'return ann.gwSeq < 0 && ann.gwSeq <= floorOf(ann.gateway)\n'
      }
    ]
  },
  {
    name: 'FORGOTTENRUN',
    schedule: 'months',
    rule: 'an attempt of a run that nobody remembers is given up',
    patches: [
      {
        file: 'protocol/core/floor.ts',
        find: 'return wallMs - beganAtMs >= RETENTION_MS + TOMBSTONE_KEPT_MS\n',
        replace: 'return wallMs - beganAtMs < 0\n'
      }
    ]
  },
  {
    name: 'OPENALONE',
    schedule: 'months',
    rule: 'what is open at one witness alone, and dropped by a quorum, is dropped there, 4.10',
    patches: [
      {
        file: 'test/sim/retention.ts',
        find: 'isOpen(state.record) && !look.gone.has(place))',
        replace: 'isOpen(state.record) && place.length > 0)'
      }
    ]
  },
  {
    name: 'RULE6',
    rule: 'a drop leaves a tombstone, 4.12.6*',
    patches: [
      {
        file: 'test/sim/witness-registers.ts',
        find: ') !== undefined\n    const state = acceptorOf(',
        replace: ') === null\n    const state = acceptorOf('
      },
      {
        file: ACCEPTOR,
        find: 'return acceptorOf(undefined, nowMs, true)\n',
        replace: 'return acceptorOf(undefined, nowMs, false)\n'
      }
    ]
  }
]
