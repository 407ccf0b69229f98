import { systemClock } from '../../protocol/host/clock.ts'
import { jsonText } from '../../protocol/host/command-text.ts'
import { harmless } from '../../protocol/host/harmless.ts'
import { reseatOffline, whileLocked } from '../admission.ts'
import { type ReseatedView, type ReseatRequest, reseatedSchema } from '../control/contract.ts'
import { reseatedView } from '../control/reseated-view.ts'
import type { Context } from './command.ts'

/** The daemon signs where one answers; else this process does. */
export async function reseatWhere(context: Context, request: ReseatRequest): Promise<ReseatedView> {
  const { client, paths } = context
  const clock = systemClock()
  return await whileLocked(clock, async () => {
    if (await client.answers()) return await client.post('/v1/seats', request, reseatedSchema)
    return reseatedView((await reseatOffline({ paths, clock }, request)).roster, false)
  })
}

/** What was signed, and where it goes. */
export function tellReseated({ json, console }: Context, view: ReseatedView, done: string): void {
  if (json) {
    console.out(jsonText(view))
    return
  }
  const { rosterVersion, witnessEpoch, witnesses, pushed } = harmless(view)
  const how = pushed ? 'and is pushed to every member' : 'and goes out when this agent starts'
  const left = `witness epoch ${witnessEpoch}, witnesses: ${witnesses.join(', ')}`
  console.out(`${done}: roster ${rosterVersion} is signed ${how}\n${left}\n`)
}
