import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { commitOf, PIPELINE, PUSHES_ONLY, ScriptedCommits } from '../support/gateway-rig.ts'
import { boundInbox, deliveryOf, type IntakeOverrides, IntakeRig } from '../support/intake-rig.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

let rig: IntakeRig

beforeEach(async () => {
  rig = await IntakeRig.make()
})

afterEach(() => rig.stop())

/** Kills the process, as its ports see it, at the n-th of the points that work passes. */
class Crasher {
  #passed = 0
  #dead = false
  readonly points: string[] = []
  readonly #at: number

  constructor(at: number) {
    this.#at = at
  }

  get dead(): boolean {
    return this.#dead
  }

  /** `work` with a point before and one after it: done on disk, but nobody was told. */
  around<Args extends readonly unknown[], T>(name: string, work: (...args: Args) => Promise<T>) {
    return async (...args: Args): Promise<T> => {
      await this.#point(`before ${name}`)
      const result = await work(...args)
      await this.#point(`after ${name}`)
      return result
    }
  }

  async #point(name: string): Promise<void> {
    if (!this.#dead) {
      this.points.push(name)
      this.#dead = this.#passed === this.#at
      this.#passed += 1
    }
    // A killed process goes no further: not even to its error handling.
    if (this.#dead) await new Promise(() => undefined)
  }
}

function mortal(
  crasher: Crasher
): Required<Pick<IntakeOverrides, 'inbox' | 'recorder' | 'commits'>> {
  const inbox = boundInbox(rig.store.inbox)
  const commits = new ScriptedCommits(commitOf(PIPELINE))
  return {
    inbox: {
      ...inbox,
      update: crasher.around('update', inbox.update),
      nextGwSeq: crasher.around('nextGwSeq', inbox.nextGwSeq),
      pinEpoch: crasher.around('pinEpoch', inbox.pinEpoch)
    },
    commits: { ...PUSHES_ONLY, read: crasher.around('read', () => commits.read()) },
    recorder: {
      witnessEpoch: () => rig.registers.witnessEpoch(),
      isLost: (epoch) => rig.registers.isLost(epoch),
      recordRun: crasher.around('recordRun', (sealed) => rig.registers.recordRun(sealed)),
      publish: crasher.around('publish', (sealed) => rig.registers.publish(sealed))
    }
  }
}

describe('a gateway that is killed', () => {
  const POINTS = [
    'read',
    'pinEpoch',
    'nextGwSeq',
    'update',
    'recordRun',
    'publish',
    'update'
  ].flatMap((name) => [`before ${name}`, `after ${name}`])

  test.each(POINTS.map((name, at) => [name, at] as const))(
    '%s (point %i) makes exactly one run of the delivery after its restart',
    async (name, at) => {
      const delivery = await rig.put(deliveryOf(1))
      const crasher = new Crasher(at)
      await rig.intake(mortal(crasher)).start()
      await eventually(`killed ${name}`, () => crasher.dead)
      expect(crasher.points.at(-1)).toBe(name)
      await rig.restart()

      rig.registers.epoch = 2
      await rig.intake().start()
      const done = await rig.settled(delivery)

      expect(done.state).toBe('recorded')
      expect([...rig.registers.chosen.keys()]).toEqual([delivery.runId])
      expect(new Set(rig.registers.proposed.map(({ annHash }) => annHash)).size).toBe(1)
      expect(rig.registers.proposed.length).toBeGreaterThan(0)
      expect(rig.registers.published).toContain(delivery.runId)
      expect(await rig.store.inbox.undone()).toEqual([])
    }
  )

  test('passes no other point', async () => {
    const delivery = await rig.put(deliveryOf(1))
    const crasher = new Crasher(Number.POSITIVE_INFINITY)

    await rig.intake(mortal(crasher)).start()
    await rig.settled(delivery)
    await eventually('the last point', () => crasher.points.length === POINTS.length)

    expect(crasher.points).toEqual(POINTS)
  })
})
