import { z } from 'zod'

export const witnessCountsSchema = z.strictObject({
  total: z.number().int(),
  perRun: z.number().int(),
  quorum: z.number().int(),
  reachable: z.number().int()
})

export type WitnessCounts = z.infer<typeof witnessCountsSchema>

/** What is counted: `w` witnesses a run, of which `quorum` must agree. */
export interface CountedWitnesses {
  readonly witnesses: readonly { readonly reachable: boolean }[]
  readonly w: number
  readonly quorum: number
}

export function witnessCounts({ witnesses, w, quorum }: CountedWitnesses): WitnessCounts {
  const reachable = witnesses.filter((witness) => witness.reachable).length
  return { total: witnesses.length, perRun: w, quorum, reachable }
}
