import type { Mutation } from './mutation.ts'

const CLIENT = 'test/sim/client.ts'

/** Changes that their callers give up under way (docs/protocol.md, "The core in a simulator"). */
export const OF_GIVING_UP: readonly Mutation[] = [
  {
    name: 'GIVENUPROUND',
    schedule: 'abandons',
    rule: 'a change that is given up has used its rounds up, pitfall 1',
    patches: [
      {
        file: CLIENT,
        find: '      this.#noteRound(place, state.ownRound)\n',
        replace: ''
      }
    ]
  },
  {
    name: 'GIVENUPLIVES',
    schedule: 'abandons',
    rule: 'a change that is given up hears no answer any more, pitfall 1',
    patches: [{ file: CLIENT, find: '      if (isGivenUp) return\n', replace: '' }]
  },
  {
    name: 'GIVENUPCARRIED',
    schedule: 'abandons',
    rule: 'a promise that came with an accept is taken by one change, also where that is given up',
    patches: [
      {
        file: CLIENT,
        find: '    this.#carried.delete(place)\n',
        replace: ''
      }
    ]
  }
]
