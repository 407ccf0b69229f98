import '../../protocol/host/node20.ts'
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { SeededRandom } from '../support/seeded-random.ts'
import { bestFit } from './best-fit.ts'
import {
  gpuHostShare,
  isEmulated,
  jainIndex,
  quantile,
  sharesOf,
  usesOf,
  utilisation,
  waitsOf
} from './figures.ts'
import { unlikeHosts } from './hosts.ts'
import { jobsOf } from './jobs.ts'
import { SimulatedMesh } from './mesh.ts'
import { plotOf } from './plot.ts'
import { starvation } from './starvation.ts'

/*
 * npm run test:placement -- [--seed N] [--hosts N] [--jobs N] [--plot FILE]. Prints its figures as
 * one JSON document; exits with 1 where an aim is missed, and says which.
 */

const REPOSITORIES = 20
const PLOT_EVERY_MS = 15_000
const AIMS = { utilisation: 0.9, jainIndex: 0.9 }

const number = { type: 'string' } as const
const { values } = parseArgs({
  options: { seed: number, hosts: number, jobs: number, plot: number }
})
const seed = Number(values.seed ?? 1)
const random = new SeededRandom(seed)
const hosts = unlikeHosts(Number(values.hosts ?? 200), random)
const jobs = jobsOf(Number(values.jobs ?? 5_000), REPOSITORIES, random)

const offline = bestFit(hosts, jobs)
const mesh = new SimulatedMesh(hosts, { seed })
const ours = mesh.play(jobs)
const stream = { keeping: starvation(seed, true), withoutKeeping: starvation(seed, false) }

const waits = waitsOf(ours.placed)
const seconds = (ms: number): number => Math.round(ms / 1_000)
const rounded = (share: number): number => Math.round(share * 1_000) / 1_000
const figures = {
  seed,
  hosts: hosts.length,
  jobs: jobs.length,
  cores: hosts.reduce((sum, { capacity }) => sum + capacity.cpuMilli, 0) / 1_000,
  gpus: hosts.reduce((sum, { gpus = [] }) => sum + gpus.length, 0),
  ended: ours.placed.length,
  utilisation: rounded(utilisation(ours, offline)),
  offlineEndS: seconds(offline.endMs),
  meshEndS: seconds(ours.endMs),
  jainIndex: rounded(jainIndex(sharesOf(ours.placed))),
  waitS: {
    median: seconds(quantile(waits, 0.5)),
    p99: seconds(quantile(waits, 0.99)),
    longest: seconds(quantile(waits, 1))
  },
  emulated: ours.placed.filter(isEmulated).length,
  onGpuHostsWithoutNeed: rounded(gpuHostShare(ours.placed, hosts)),
  claims: mesh.claims,
  contended: mesh.contended,
  stream
}
process.stdout.write(`${JSON.stringify(figures, undefined, 2)}\n`)

if (values.plot !== undefined) {
  const untilMs = 1.25 * offline.endMs
  const lines = [
    { name: 'this mesh', colour: '#2563eb', packing: ours },
    { name: 'best fit, all known before', colour: '#d97706', packing: offline }
  ].map(({ packing, ...line }) => {
    return { ...line, shares: usesOf(packing, hosts, { everyMs: PLOT_EVERY_MS, untilMs }) }
  })
  const title = `Cores in use: ${jobs.length} jobs on ${hosts.length} unlike hosts`
  writeFileSync(values.plot, plotOf(title, lines, { everyMs: PLOT_EVERY_MS }))
}

const { keeping } = stream
const missed = [
  figures.ended < jobs.length && `${jobs.length - figures.ended} jobs never ran`,
  figures.utilisation < AIMS.utilisation && `utilisation is below ${AIMS.utilisation}`,
  figures.jainIndex < AIMS.jainIndex && `the fairness index is below ${AIMS.jainIndex}`,
  keeping.begun < keeping.of && `${keeping.of - keeping.begun} large jobs starved`,
  keeping.longestWaitMs > keeping.boundMs && 'a large job waited longer than its bound'
].filter((one) => one !== false)
for (const one of missed) process.stderr.write(`missed: ${one}\n`)
process.exitCode = missed.length === 0 ? 0 : 1
