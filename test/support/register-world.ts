import type { JobOpBody } from '../../protocol/core/job.ts'
import { isTerminal } from '../../protocol/core/job.ts'
import { ClusterAgent } from './register-agent.ts'
import type { ClusterOptions } from './register-cluster.ts'
import { REGISTER, RegisterCluster } from './register-cluster.ts'

export interface WorldOptions extends ClusterOptions {
  readonly agents: number
  /** True milliseconds during which things go wrong; afterwards all heals. */
  readonly troubleMs: number
  readonly workMsMin: number
  readonly workMsMax: number
  /** Chance that somebody cancels the job at some time. */
  readonly cancelRate: number
}

export interface World {
  readonly cluster: RegisterCluster
  readonly ended: boolean
  readonly problems: readonly string[]
}

/** After all has healed, the job must have ended within this. */
const HEALED_MS_MAX = 120_000

/** One job's life with agents that work, pause and die, and witnesses that restart. */
export function liveThrough(options: WorldOptions): World {
  const cluster = new RegisterCluster(options)
  const { timeline } = cluster
  createJob(cluster)
  const agents = Array.from({ length: options.agents }, (_, index) => {
    return new ClusterAgent(`agent${index + 1}`, cluster, options)
  })
  for (const agent of agents) agent.start()
  if (timeline.random() < options.cancelRate) {
    const cancel: JobOpBody = { kind: 'cancel', reason: 'no longer needed' }
    timeline.after(timeline.between(0, options.troubleMs), () => propose(cluster, 'user', cancel))
  }
  for (let atMs = 0; atMs < options.troubleMs; atMs += timeline.between(100, 4_000)) {
    timeline.at(atMs, () => trouble(cluster, agents))
  }
  timeline.at(options.troubleMs, () => cluster.heal())
  const over = () => {
    const newest = cluster.log.newest()
    return newest?.kind === 'job' && isTerminal(newest.phase)
  }
  timeline.run(options.troubleMs + HEALED_MS_MAX, over)
  const ended = over()
  // What is still on its way may neither revive the job nor change an answer.
  timeline.run(timeline.nowMs + 10_000)
  return { cluster, ended, problems: cluster.log.finish() }
}

/** The job comes to be, as a gateway does it. */
export function createJob(cluster: RegisterCluster): void {
  propose(cluster, 'gateway', { kind: 'create', annHash: 'ann', attemptsMax: 3 })
}

function propose(cluster: RegisterCluster, peerId: string, body: JobOpBody): void {
  const member = cluster.member(peerId)
  const op = member.signer.jobOp(REGISTER, `${body.kind}-${peerId}`, body)
  const attempt = (ambiguous: boolean) => {
    cluster.change(
      member,
      op,
      (result) => {
        if (result.kind === 'unresolved') {
          cluster.timeline.after(500, () => attempt(ambiguous || result.ambiguous))
        } else if (result.kind === 'rejected' && result.reason === 'absent') {
          cluster.timeline.after(500, () => attempt(ambiguous))
        } else cluster.log.answers(op, result)
      },
      ambiguous
    )
  }
  attempt(false)
}

function trouble(cluster: RegisterCluster, agents: readonly ClusterAgent[]): void {
  const { timeline, witnesses } = cluster
  const pick = <T>(list: readonly T[]): T | undefined => {
    return list[Math.floor(timeline.random() * list.length)]
  }
  const agent = pick(agents)
  const witness = pick(witnesses)
  if (agent === undefined || witness === undefined) return
  const chance = timeline.random()
  if (chance < 0.25) witness.restart()
  else if (chance < 0.45) agent.pause(timeline.between(200, 8_000))
  else if (chance < 0.6) agent.restart()
  else if (chance < 0.65 && agent !== agents[0]) agent.die()
  else if (chance < 0.85) cluster.cut(agent.member.peerId, witness.id)
  else cluster.heal()
}
