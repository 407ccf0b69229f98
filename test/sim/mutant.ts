import { register } from 'node:module'
import { resolve } from 'node:path'
import { MUTATIONS } from './mutations.ts'

/*
 * Runs seeds with one rule left out until an invariant is seen broken. A process of its own, since
 * what is patched stays patched. Prints one line of JSON.
 */

const [name = '', seeds = '500', first = '1'] = process.argv.slice(2)
const mutation = MUTATIONS.find((one) => one.name === name)
if (mutation === undefined) throw new Error(`no mutation ${name}`)
const root = resolve(import.meta.dirname, '../..')
register('./mutation-loader.ts', {
  parentURL: import.meta.url,
  data: { patches: mutation.patches, root }
})
const { World } = await import('./world.ts')
const { SCHEDULES } = await import('./schedules.ts')
const { schedule } = mutation
const change = schedule === undefined ? undefined : SCHEDULES[schedule]

let found: { readonly seed: number; readonly events: number; readonly by: string } | undefined
for (let seed = Number(first); seed < Number(first) + Number(seeds) && !found; seed += 1) {
  const { violation, events } = new World(seed, change).run()
  if (violation !== undefined) found = { seed, events, by: violation }
}
process.stdout.write(`${JSON.stringify({ name, found })}\n`)
