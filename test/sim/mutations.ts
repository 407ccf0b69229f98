import type { Mutation } from './mutation.ts'
import { OF_ADOPTION } from './mutations-of-adoption.ts'
import { OF_CANCELS } from './mutations-of-cancels.ts'
import { PITFALLS } from './mutations-of-caspaxos.ts'
import { OF_FLOORS } from './mutations-of-floors.ts'
import { OF_GIVING_UP } from './mutations-of-giving-up.ts'
import { OF_THE_MODEL } from './mutations-of-model.ts'
import { OF_ROSTERS } from './mutations-of-rosters.ts'
import { RULES } from './mutations-of-rules.ts'

export const MUTATIONS: readonly Mutation[] = [
  ...OF_THE_MODEL,
  ...PITFALLS,
  ...RULES,
  ...OF_ADOPTION,
  ...OF_ROSTERS,
  ...OF_FLOORS,
  ...OF_CANCELS,
  ...OF_GIVING_UP
]
