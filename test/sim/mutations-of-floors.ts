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
