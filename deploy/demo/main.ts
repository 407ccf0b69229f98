import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { leftovers } from './engine.ts'
import { demoFolder } from './folder.ts'
import { Judge } from './judge.ts'
import { LocalMesh } from './local-mesh.ts'
import { loseHolder } from './loss.ts'
import { DEMO_PIPELINE, DEMO_README } from './pipeline.ts'
import { eventually } from './process.ts'
import { Repository } from './repository.ts'
import { Show } from './show.ts'
import { followJob, jobNamed } from './watch.ts'

/*
 * `npm run demo`: a gateway and three agents as processes of their own, a real push, a real job.
 * `-- --once` checks every claim, tears all of it down and exits 0 only if all held.
 */

const CHECKOUT = resolve(import.meta.dirname, '..', '..')
const once = process.argv.includes('--once')
const show = new Show()

interface Started {
  readonly folder: string
  readonly mesh: LocalMesh
  readonly repository: Repository
  /** Sees what runs by the engine's events alone. */
  readonly judge: Judge
  /** The demo's own run; known once the push was. */
  run: string
}

async function start(begun: Begun): Promise<Started> {
  const folder = await demoFolder(CHECKOUT)
  begun.folder = folder
  show.heading('Start a gateway and three agents, each a process with its own state')
  begun.mesh = LocalMesh.start({ root: folder })
  const mesh = await begun.mesh
  show.command('agent init; then for each host: agent invite, and with its string: agent join -')
  for (const part of [mesh.gateway, ...mesh.agents]) {
    show.block(`${part.name.padEnd(8)} process ${mesh.daemon(part.name).pid}, port ${part.port}`)
  }
  show.heading('Make a bare repository with the hook, served by git daemon on loopback')
  const hookUrl = `${mesh.httpUrl}/hooks/git`
  const { gitPort } = mesh
  begun.repository = Repository.make({ root: folder, name: 'demo', gitPort, hookUrl })
  const repository = await begun.repository
  await mesh.addRepository(repository)
  show.block(`${repository.url} posts its pushes to ${hookUrl}`)
  begun.judge = Judge.start(mesh.agents.map((agent) => agent.id.split('/')[0] ?? ''))
  const judge = await begun.judge
  return { folder, mesh, repository, judge, run: '' }
}

async function pushAndWatch(started: Started): Promise<void> {
  const { mesh, repository, judge } = started
  show.heading('Push')
  show.command('git push origin main')
  const files = { '.runner-mesh.yml': DEMO_PIPELINE, 'README.md': DEMO_README }
  const { commit, pushed } = await repository.push(files, 'Add a pipeline')
  show.block(pushed.stderr)
  const run = await eventually('the run is known', async () => {
    const { runs } = await mesh.api<{ runs: { id: string; commit: string }[] }>('/api/v1/runs')
    return runs.find((one) => one.commit === commit)?.id
  })
  started.run = run
  show.claim('the push became a run', run.length > 0)
  show.heading('The log, live')
  const build = await jobNamed(mesh, run, 'build')
  const { job, lines, live } = await followJob(mesh, build.id, (line) => show.block(line))
  const said = lines.map((line) => line.text).join('\n')
  const ran = judge.startsOf(job.id).length
  show.claim(`one agent ran it: ${job.holder}, epoch ${job.epoch}`, ran === 1, `${ran} containers`)
  show.claim('it succeeded', job.state === 'succeeded', `${job.state}: ${job.why}`)
  const inOrder = /working: 1 of 5[\s\S]*working: 5 of 5[\s\S]*the source is here/.test(said)
  show.claim('its log is whole and in order', inOrder, said)
  show.claim('lines were there while it ran', live)
}

async function showStatus({ mesh }: Started): Promise<void> {
  show.heading('Every agent knows every other')
  show.command('agent status')
  const status = await mesh.agent(0, 'status')
  show.block(status.stdout)
  const { peers, witnesses } = await mesh.agentJson<{
    peers: { name: string; state: string }[]
    witnesses: { total: number; perRun: number; reachable: number }
  }>(0, 'status')
  const states = peers.map((peer) => `${peer.name} ${peer.state}`).join(', ')
  const up = peers.filter((peer) => ['idle', 'up'].includes(peer.state))
  show.claim('three agents and a gateway are up', up.length === 4, states)
  const found = `${witnesses.reachable} of ${witnesses.total}, ${witnesses.perRun} a run`
  const enough = witnesses.total === 4 && witnesses.perRun === 3 && witnesses.reachable === 4
  show.claim('four witnesses answer, three keep each run', enough, found)
}

async function showJobs({ mesh, run }: Started): Promise<void> {
  show.heading('A job that no host fits says why')
  const waiting = await jobNamed(mesh, run, 'needs-a-gpu')
  show.command('agent jobs')
  show.block((await mesh.agent(1, 'jobs')).stdout)
  show.claim('it is queued', waiting.state === 'queued', waiting.state)
  show.claim(`and says: ${waiting.why}`, /gpu/.test(waiting.why), waiting.why)
  const answers = await Promise.all(
    mesh.agents.map((_, index) => mesh.agentJson<{ jobs: { state: string }[] }>(index, 'jobs'))
  )
  const views = answers.map(({ jobs }) => jobs.map((job) => job.state).join(' '))
  const agree = new Set(views).size === 1 && views[0] === 'succeeded queued'
  show.claim('every agent tells the same', agree, views.join(' | '))
}

async function showKill(started: Started): Promise<void> {
  show.heading('A host dies in the middle of a job')
  await loseHolder({ ...started, show }, 'SIGKILL')
}

async function showStop(started: Started): Promise<void> {
  show.heading('A host hangs in the middle of a job')
  await loseHolder({ ...started, show }, 'SIGSTOP')
}

async function showClean({ mesh, judge }: Started): Promise<void> {
  show.claim('the observer saw it all', judge.isWatching)
  show.heading('Nothing is left in the engine')
  const peerIds = mesh.agents.map((agent) => agent.id.split('/')[0] ?? '')
  const { containers, volumes } = await leftovers(peerIds)
  show.claim('no container', containers.length === 0, containers.join(' '))
  show.claim('no volume', volumes.length === 0, volumes.join(' '))
}

function sayWhatToTry({ folder, mesh, repository }: Started): void {
  const state = `--state ${mesh.agents[0]?.state}`
  show.heading('Up and running: try')
  show.block(
    [
      `node dist/agent/main.js status ${state}`,
      `node dist/agent/main.js jobs ${state}`,
      `node dist/agent/main.js logs JOB ${state}`,
      `cd ${repository.clone} && git commit --allow-empty -m again && git push origin main`,
      `curl -H 'authorization: Bearer ${mesh.token}' ${mesh.httpUrl}/api/v1/jobs`,
      `logs of the processes: ${folder}/*.log`,
      'Ctrl-C stops everything'
    ].join('\n')
  )
}

function interrupted(): Promise<'interrupted'> {
  return new Promise((done) => {
    process.once('SIGINT', () => done('interrupted'))
    process.once('SIGTERM', () => done('interrupted'))
    // A closed terminal: to the gateway the same signal means another thing.
    process.once('SIGHUP', () => done('interrupted'))
  })
}

/** What the demo has begun; each is here from its first moment, so that all of it is stopped. */
interface Begun {
  folder?: string
  mesh?: Promise<LocalMesh>
  repository?: Promise<Repository>
  judge?: Promise<Judge>
  isOver?: boolean
}

async function stopAll(begun: Begun): Promise<void> {
  for (const part of [begun.repository, begun.mesh, begun.judge]) {
    await part?.then((one) => one.stop()).catch(() => undefined)
  }
}

async function main(): Promise<number> {
  const begun: Begun = {}
  const stopped = interrupted()
  const work = async (): Promise<'done'> => {
    const started = await start(begun)
    const phases = [pushAndWatch, showStatus, showJobs, showKill, showStop, showClean] as const
    for (const phase of phases) {
      if (begun.isOver === true) return 'done'
      await phase(started)
    }
    if (once) return 'done'
    sayWhatToTry(started)
    await stopped
    return 'done'
  }
  let end: 'done' | 'interrupted' | 'failed' = 'failed'
  const working = work()
  try {
    end = await Promise.race([working, stopped])
  } catch (error) {
    show.claim('the demo runs to its end', false, String(error))
    if (error instanceof Error && error.cause !== undefined) show.block(String(error.cause))
    if (begun.folder !== undefined) show.block(`the logs are in ${begun.folder}`)
  } finally {
    begun.isOver = true
    await stopAll(begun)
    await working.catch(() => undefined)
    // What the phase of the interruption has still begun.
    await stopAll(begun)
  }
  return await concluded(end, begun.folder)
}

async function concluded(
  end: 'done' | 'interrupted' | 'failed',
  folder: string | undefined
): Promise<number> {
  if (!once) return show.failed === 0 ? 0 : 1
  if (end === 'interrupted') {
    show.line('\ninterrupted: not all claims were checked')
    return 130
  }
  show.line(show.failed === 0 ? '\nall claims held' : `\n${show.failed} claims did not hold`)
  if (show.failed > 0) return 1
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
  return 0
}

process.exitCode = await main()
