import { availableParallelism } from 'node:os'
import { findAll, tableOf } from './mutation-run.ts'
import { MUTATIONS } from './mutations.ts'

/*
 * npm run test:mutations [-- NAME...]: leaves each rule out in turn and prints how it was found.
 * Exits with 1 where one was not.
 */

const SEEDS_MAX = 500
const PARALLEL_MAX = 2

const wanted = process.argv.slice(2)
const mutations = MUTATIONS.filter(({ name }) => wanted.length === 0 || wanted.includes(name))
const parallel = Math.min(PARALLEL_MAX, availableParallelism())
const findings = await findAll(mutations, SEEDS_MAX, parallel, ({ name, found }) => {
  process.stderr.write(`${name}: ${found?.by ?? 'not found'}\n`)
})
for (const line of tableOf(mutations, findings)) process.stdout.write(`${line}\n`)
const missed = findings.filter(({ found }) => found === undefined)
process.stdout.write(`${findings.length - missed.length} of ${findings.length} found\n`)
process.exitCode = missed.length === 0 && findings.length > 0 ? 0 : 1
