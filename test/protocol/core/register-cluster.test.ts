import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ChangeResult } from '../../../protocol/core/change.ts'
import { holdsLease } from '../../../protocol/core/lease.ts'
import { leasedJob } from '../../../protocol/core/lease-timer.ts'
import { ClusterAgent } from '../../support/register-agent.ts'
import { CALM, PROFILE, REGISTER, RegisterCluster, STORM } from '../../support/register-cluster.ts'
import { RogueClaimer } from '../../support/register-rogue.ts'
import type { World } from '../../support/register-world.ts'
import { createJob, liveThrough } from '../../support/register-world.ts'

/*
 * Acceptors, proposers and holders together, over networks, disks and hosts that a seed makes fail.
 * `problems` are broken invariants of lease-protocol 7.3, each found without asking the code for
 * it.
 */

function storm(seed: number): World {
  return liveThrough({
    ...STORM,
    seed,
    witnesses: seed % 2 === 0 ? 3 : 5,
    agents: 3,
    troubleMs: 25_000,
    workMsMin: 100,
    workMsMax: 10_000,
    cancelRate: 0.2
  })
}

/** Work that ends by itself only after all that a test looks at. */
const LONG = { workMsMin: 90_000, workMsMax: 90_000 }

const byText = (a: string, b: string) => (a < b ? -1 : 1)

const arbitrarySeed = fc.nat(2 ** 31)

describe('a job in a mesh where everything fails', () => {
  test('runs in one place at a time, under one history, and ends', () => {
    const epochs: number[] = []
    fc.assert(
      fc.property(arbitrarySeed, (seed) => {
        const { problems, ended, cluster } = storm(seed)
        expect(problems).toEqual([])
        expect(ended).toBe(true)
        epochs.push(cluster.log.chain().filter((value) => value.op.body.kind === 'claim').length)
      }),
      { numRuns: 250 }
    )

    // Else nothing was ever taken over, and the claim above would hold for nothing.
    expect(Math.max(...epochs)).toBeGreaterThan(1)
  })

  test('is the same for the same seed, and another for another', () => {
    const trace = (seed: number) => JSON.stringify(storm(seed).cluster.log.chosen)

    expect(trace(7)).toBe(trace(7))
    expect(trace(7)).not.toBe(trace(8))
  })
})

describe('many claims at once', () => {
  /** All propose their own claim in the same instant; whoever gets a definite answer is heard. */
  function race(seed: number, claimers: number) {
    const cluster = new RegisterCluster({ ...STORM, seed, witnesses: seed % 2 === 0 ? 3 : 5 })
    createJob(cluster)
    cluster.timeline.run(20_000)
    const results: (readonly [string, ChangeResult])[] = []
    for (let index = 1; index <= claimers; index += 1) {
      const member = cluster.member(`agent${index}`)
      const claimId = `claim${index}`
      const { leaseMs } = PROFILE
      const body = { kind: 'claim', claimId, boot: member.boot, leaseMs } as const
      const op = member.signer.jobOp(REGISTER, claimId, body)
      cluster.change(member, op, (result) => {
        results.push([claimId, result])
        if (result.kind !== 'unresolved') cluster.log.answers(op, result)
      })
    }
    // Less than the time after which the first lease could be taken over.
    cluster.timeline.run(cluster.timeline.nowMs + PROFILE.takeOverMs - 100)
    return { cluster, results }
  }

  test('never give two holders, and mostly one, and cost the job one attempt', () => {
    let holders = 0
    fc.assert(
      fc.property(arbitrarySeed, fc.integer({ min: 2, max: 5 }), (seed, claimers) => {
        const { cluster, results } = race(seed, claimers)
        const winners = results.filter(([claimId, result]) => {
          const value = 'value' in result ? result.value : undefined
          const holder = leasedJob(value)?.lease
          const won = result.kind === 'applied' || result.kind === 'same'
          return won && holder?.claimId === claimId && holdsLease(value, holder)
        })
        expect(winners.length).toBeLessThanOrEqual(1)
        expect(cluster.log.finish()).toEqual([])
        // A claim on its way is no dead lease: taken for one, it would use up an attempt.
        const epochs = cluster.log.chain().map((value) => leasedJob(value)?.epoch ?? 0)
        expect(Math.max(...epochs)).toBeLessThanOrEqual(1)
        holders += winners.length
      }),
      { numRuns: 300 }
    )

    expect(holders).toBeGreaterThan(150)
  })

  test('end in a quiet network within few rounds each', () => {
    const rounds = [1, 2, 3, 4, 5].map((seed) => {
      const cluster = new RegisterCluster({ ...CALM, seed })
      createJob(cluster)
      cluster.timeline.run(1_000)
      const answers: ChangeResult[] = []
      for (const name of ['agent1', 'agent2', 'agent3', 'agent4', 'agent5']) {
        const member = cluster.member(name)
        const { leaseMs } = PROFILE
        const body = { kind: 'claim', claimId: name, boot: member.boot, leaseMs } as const
        const op = member.signer.jobOp(REGISTER, name, body)
        cluster.change(member, op, (result) => answers.push(result))
      }
      cluster.timeline.run(4_000)
      expect(answers.map(({ kind }) => kind).toSorted(byText)).toEqual([
        'applied',
        ...Array.from({ length: 4 }, () => 'busy')
      ])
      return Math.max(...answers.map(({ highestRound }) => highestRound))
    })

    for (const highest of rounds) expect(highest).toBeLessThan(40)
  })
})

describe('a member that minds no lease', () => {
  test('never runs the job beside its holder', () => {
    let wins = 0
    fc.assert(
      fc.property(arbitrarySeed, (seed) => {
        const cluster = new RegisterCluster({ ...STORM, seed, lossRate: 0.05 })
        createJob(cluster)
        const agent = new ClusterAgent('agent1', cluster, LONG)
        agent.start()
        const rogue = new RogueClaimer(cluster)
        rogue.start(150)
        // Long enough to lose the lease: then, and only then, the rogue may have it.
        cluster.timeline.at(4_000, () => agent.pause(6_000))
        cluster.timeline.run(12_000)
        wins += rogue.wins
        expect(cluster.log.finish()).toEqual([])
      }),
      { numRuns: 100 }
    )

    expect(wins).toBeGreaterThan(0)
  })

  test('never undoes a lease that was renewed, though one witness after the other restarts', () => {
    fc.assert(
      fc.property(arbitrarySeed, (seed) => {
        const cluster = new RegisterCluster({ ...CALM, seed, delayMsMax: 30, syncMsMax: 30 })
        const { timeline, witnesses, log } = cluster
        createJob(cluster)
        new ClusterAgent('agent1', cluster, LONG).start()
        timeline.run(10_000, () => witnesses.every(({ state }) => state.confirmed))
        const rogue = new RogueClaimer(cluster, 'made_up')
        rogue.start(50)
        const endMs = timeline.nowMs + 8_000
        for (let atMs = timeline.nowMs; atMs < endMs; atMs += timeline.between(100, 600)) {
          const witness = witnesses[Math.floor(timeline.random() * witnesses.length)]
          timeline.at(atMs, () => witness?.restart())
        }
        timeline.run(endMs)

        expect(leasedJob(log.newest())).toMatchObject({ epoch: 1, lease: { holder: 'agent1' } })
        expect(rogue.wins).toBe(0)
        expect(log.finish()).toEqual([])
      }),
      { numRuns: 100 }
    )
  })
})

describe('a living holder', () => {
  test('keeps its job while a majority hears it, though one witness does not', () => {
    const cluster = new RegisterCluster({ ...CALM, seed: 3 })
    createJob(cluster)
    const holder = new ClusterAgent('agent1', cluster, LONG)
    cluster.timeline.after(100, () => holder.start())
    cluster.timeline.run(1_500)
    const [alone] = cluster.witnesses
    cluster.cut('agent1', alone?.id ?? '')
    const other = new ClusterAgent('agent2', cluster, LONG)
    other.start()
    cluster.timeline.run(20_000)

    const newest = cluster.log.newest()
    expect(leasedJob(newest)?.lease.holder).toBe('agent1')
    expect(newest).toMatchObject({ epoch: 1, version: 2 })
    expect(leasedJob(alone?.state.record.accepted?.value)?.lease.holder).toBe('agent1')
    expect(cluster.log.finish()).toEqual([])
  })
})

describe('a dead holder', () => {
  /** Its holder dies at once; the true time until another one has the job. */
  function replacedAfterMs(seed: number, disturb: (cluster: RegisterCluster) => void): number {
    const cluster = new RegisterCluster({ ...CALM, seed })
    createJob(cluster)
    const dead = new ClusterAgent('agent1', cluster, LONG)
    dead.start()
    cluster.timeline.run(2_000)
    expect(leasedJob(cluster.log.newest())?.lease.holder).toBe('agent1')
    dead.die()
    const diedAtMs = cluster.timeline.nowMs
    disturb(cluster)
    new ClusterAgent('agent2', cluster, LONG).start()
    const replaced = () => leasedJob(cluster.log.newest())?.lease.holder === 'agent2'
    cluster.timeline.run(60_000, replaced)
    expect(replaced()).toBe(true)
    return cluster.timeline.nowMs - diedAtMs
  }

  test('is replaced soon after its lease is over', () => {
    for (const seed of [1, 2, 3]) {
      expect(replacedAfterMs(seed, () => undefined)).toBeLessThan(PROFILE.takeOverMs + 700)
    }
  })

  test('is replaced as soon when readers write its lease back all the time', () => {
    const writeBack = (cluster: RegisterCluster) => {
      const again = () => {
        cluster.change(cluster.member('reader'), undefined, () => undefined)
        cluster.timeline.after(300, again)
      }
      again()
    }
    for (const seed of [1, 2, 3]) {
      expect(replacedAfterMs(seed, writeBack)).toBeLessThan(PROFILE.takeOverMs + 1_500)
    }
  })
})
