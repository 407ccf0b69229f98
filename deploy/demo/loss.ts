import type { Judge, Sighting } from './judge.ts'
import type { LocalMesh } from './local-mesh.ts'
import { LONG_PIPELINE } from './pipeline.ts'
import { eventually } from './process.ts'
import type { Repository } from './repository.ts'
import type { Show } from './show.ts'
import { followJob, jobNamed, type SeenJob } from './watch.ts'

/** Profile `default`: 32 s until witnesses let another in; the rest is for a loaded machine. */
export const TAKE_OVER_MS_MAX = 40_000

/** Longest wait for what follows a take-over. */
const WAIT_MS_MAX = 2 * TAKE_OVER_MS_MAX

export interface LossParts {
  readonly mesh: LocalMesh
  readonly repository: Repository
  readonly judge: Judge
  readonly show: Show
}

/**
 * Pushes a longer job, sends `signal` to the agent that holds it, and claims of what follows only
 * what the engine's own events say: the first container was gone before the second one started.
 */
export async function loseHolder(
  { mesh, repository, judge, show }: LossParts,
  signal: 'SIGKILL' | 'SIGSTOP'
): Promise<void> {
  const files = { '.runner-mesh.yml': LONG_PIPELINE }
  const { commit } = await repository.push(files, `A job that meets ${signal}`)
  const run = await runOf(mesh, commit)
  const { id } = await jobNamed(mesh, run, 'long')
  const [first] = await starts(judge, id, 1)
  const index = mesh.agents.findIndex((agent) => agent.id.startsWith(`${first.peer}/`))
  const name = mesh.agents[index]?.name ?? ''
  await lineSeen(mesh, id, /working: 3/)
  show.command(
    `kill -${signal.slice(3)} ${mesh.daemon(name).pid}    # ${name}, in the middle of it`
  )
  // As the engine stamps its events.
  const lostAtMs = performance.timeOrigin + performance.now()
  await mesh.daemon(name).kill(signal)
  show.block('its lease is over in at most 32 s; nobody else may start the job before that')

  const [, second] = await starts(judge, id, 2)
  const { job } = await followJob(mesh, id, (line) => show.block(line), WAIT_MS_MAX)
  show.command('agent jobs')
  const onlooker = mesh.agents.findIndex((agent) => agent.name !== name)
  show.block((await mesh.agent(onlooker, 'jobs', '--limit', '3')).stdout)
  claimAll(show, { judge, job, name, first, second, lostAtMs })
  await bringBack(mesh, index, signal)
  const back = await eventually(`${name} is idle again`, () => isIdle(mesh, index))
  show.claim(`${name} is back and idle`, back)
}

interface Seen {
  readonly judge: Judge
  readonly job: SeenJob
  readonly name: string
  readonly first: Sighting
  readonly second: Sighting
  readonly lostAtMs: number
}

function claimAll(show: Show, { judge, job, name, first, second, lostAtMs }: Seen): void {
  const death = judge.seen.find((one) => one.action === 'die' && one.container === first.container)
  const gapMs = death === undefined ? Number.NaN : second.atMs - death.atMs
  show.claim(`its container was gone ${gapMs} ms before the next one started`, gapMs >= 0)
  const afterMs = Math.round(second.atMs - lostAtMs)
  show.claim(
    `another agent took over ${(afterMs / 1_000).toFixed(1)} s after the loss`,
    afterMs <= TAKE_OVER_MS_MAX && second.peer !== first.peer,
    `${afterMs} ms, at most ${TAKE_OVER_MS_MAX}`
  )
  const epochs = judge.startsOf(job.id).map(({ epoch }) => epoch)
  const once = epochs.join(' ') === '1 2' && judge.overlapsOf(job.id).length === 0
  show.claim('two attempts, one after the other', once, epochs.join(' '))
  const finished = job.state === 'succeeded' && job.epoch === 2 && job.holder !== name
  show.claim(`${job.holder} finished it: ${job.why}`, finished, `${job.state}: ${job.why}`)
}

async function runOf(mesh: LocalMesh, commit: string): Promise<string> {
  return await eventually('the run is known', async () => {
    const { runs } = await mesh.api<{ runs: { id: string; commit: string }[] }>('/api/v1/runs')
    return runs.find((one) => one.commit === commit)?.id
  })
}

function starts(judge: Judge, job: string, count: 1): Promise<readonly [Sighting]>
function starts(judge: Judge, job: string, count: 2): Promise<readonly [Sighting, Sighting]>
function starts(judge: Judge, job: string, count: number): Promise<readonly Sighting[]> {
  const look = (): readonly Sighting[] | undefined => {
    const seen = judge.startsOf(job)
    return seen.length >= count ? seen : undefined
  }
  return eventually(`start ${count} of ${job}`, look, WAIT_MS_MAX)
}

async function lineSeen(mesh: LocalMesh, job: string, pattern: RegExp): Promise<void> {
  await eventually(`${pattern} in the log`, async () => {
    const reply = await fetch(`${mesh.httpUrl}/api/v1/jobs/${job}/log`, {
      headers: { authorization: `Bearer ${mesh.token}` },
      signal: AbortSignal.timeout(5_000)
    })
    return pattern.test(await reply.text()) ? true : undefined
  })
}

async function bringBack(mesh: LocalMesh, index: number, signal: string): Promise<void> {
  if (signal === 'SIGKILL') mesh.startAgent(index)
  else await mesh.daemon(mesh.agents[index]?.name ?? '').kill('SIGCONT')
}

async function isIdle(mesh: LocalMesh, index: number): Promise<true | undefined> {
  const { peers } = await mesh.agentJson<{ peers: { self: boolean; state: string }[] }>(
    index,
    'status'
  )
  return peers.find((peer) => peer.self)?.state === 'idle' ? true : undefined
}
