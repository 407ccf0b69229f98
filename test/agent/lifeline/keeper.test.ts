import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Beat, encodeBeat } from '../../../agent/lifeline/beat.ts'
import { BeatServer } from '../../../agent/lifeline/beat-server.ts'
import { LifelineKeeper } from '../../../agent/lifeline/keeper.ts'
import type { Launched } from '../../../agent/lifeline/launch.ts'
import {
  GUARDIAN_BLIND_MS_MAX,
  GUARDIAN_HUNG_MS_MAX,
  GUARDIAN_SILENT_MS_MAX
} from '../../../protocol/core/limits.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import {
  identityOf,
  isAlive,
  ownIdentity,
  type ProcessIdentity
} from '../../../protocol/host/process-identity.ts'
import { eventually } from '../../support/eventually.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { temporaryFolder } from '../../support/gateway-rig.ts'

const VERSION = '1.2.3'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let socket: string
let clock: FakeClock
let keeper: LifelineKeeper
let server: BeatServer | undefined
let child: ChildProcess | undefined
let beat: Beat

beforeEach(async () => {
  folder = await temporaryFolder()
  socket = join(folder.dir, 'lifeline.sock')
  clock = new FakeClock()
  beat = { guardian: ownIdentity(), version: VERSION, peerId: 'me', storeId: 'mine', lookAgoMs: 1 }
})

afterEach(async () => {
  await keeper.stop()
  await server?.close()
  child?.kill('SIGKILL')
  await folder.remove()
})

async function serve(): Promise<void> {
  server = new BeatServer(() => beat)
  await server.listen(socket)
}

/** Some process that a beat names as its guardian. */
function bystander(): ProcessIdentity {
  child = spawn('/bin/sh', ['-c', 'read x'])
  const identity = identityOf(child.pid ?? 0)
  if (identity === undefined) throw new Error('it runs')
  return identity
}

function keep(own?: {
  launch?: () => Launched
  holder?: () => Promise<ProcessIdentity | undefined>
}): LifelineKeeper {
  const launch = (): Launched => ({ ended: new Promise<string>(() => undefined) })
  const filled = { launch, holder: async () => undefined, ...own }
  keeper = new LifelineKeeper(
    { clock, log: silentLog(), own: own === undefined ? undefined : filled },
    { socket, peerId: 'me', storeId: 'mine', version: VERSION }
  )
  keeper.start()
  return keeper
}

/** Lets real sockets and simulated time go on together until it is so. */
async function until(what: string, isSo: () => boolean, stepMs = 10): Promise<void> {
  await eventually(what, async () => {
    await clock.advance(stepMs)
    return isSo()
  })
}

describe('the keeper of a lifeline', () => {
  test('says that none holds, and what to do, until a guardian answers', async () => {
    keep()
    await until('it has looked', () => keeper.problem()?.message.includes('answers') === true)
    expect(keeper.holds).toBe(false)
    expect(keeper.problem()).toMatchObject({
      code: 'LIFELINE_ABSENT',
      fix: expect.stringContaining('agent lifeline --stay')
    })

    await serve()
    await until('it holds', () => keeper.holds)

    expect(keeper.problem()).toBeUndefined()
  })

  test.each([
    ['of another peer', { peerId: 'another' }],
    ['of another store', { storeId: 'another' }],
    ['that has never seen the engine', { lookAgoMs: null }],
    ['that has not seen the engine for long', { lookAgoMs: GUARDIAN_BLIND_MS_MAX + 1 }]
  ])('does not take a guardian %s for one', async (_claim, wrong) => {
    const right = beat
    beat = { ...beat, ...wrong }
    await serve()
    keep()
    await until('it is heard', () => keeper.problem()?.message.includes('process') === true)
    expect(keeper.holds).toBe(false)

    beat = right
    await until('it holds', () => keeper.holds)
  })

  test('starts one where none answers, and tells when it holds', async () => {
    let told = 0
    let launches = 0
    keep({
      launch: () => {
        launches += 1
        void serve()
        return { ended: new Promise(() => undefined) }
      }
    })
    keeper.onChange(() => {
      told += 1
    })
    await until('it holds', () => keeper.holds)

    expect([launches, told]).toEqual([1, 1])
  })

  test('starts another one when it is gone, and tells both', async () => {
    const told: boolean[] = []
    let launches = 0
    await serve()
    keep({
      launch: () => {
        launches += 1
        void serve()
        return { ended: new Promise(() => undefined) }
      }
    })
    keeper.onChange(() => told.push(keeper.holds))
    await until('it holds', () => keeper.holds)
    await server?.close()
    await until('another one holds', () => launches === 1 && keeper.holds)

    expect(told).toEqual([true, false, true])
  })

  test('does not start one after the other where each ends at once', async () => {
    let launches = 0
    keep({
      launch: () => {
        launches += 1
        return { ended: Promise.resolve('exit 78') }
      }
    })
    await until('a minute is over', () => clock.bootMs() > 1_060_000, 200)

    expect(launches).toBeGreaterThan(3)
    expect(launches).toBeLessThan(15)
    expect(keeper.problem()?.message).toContain('it ended with exit 78')
  })

  test('does not count on a guardian that has gone silent, and ends its own one', async () => {
    const hung = bystander()
    const close = await falter(encodeBeat({ ...beat, guardian: hung }))
    keep({})
    await until('it holds', () => keeper.holds)

    await clock.advance(GUARDIAN_SILENT_MS_MAX)
    expect(keeper.holds).toBe(false)
    expect(isAlive(hung)).toBe(true)
    await clock.advance(GUARDIAN_HUNG_MS_MAX)

    await eventually('it is ended', () => !isAlive(hung))
    await keeper.stop()
    await close()
  })

  test('ends one that was stopped before it said a word', async () => {
    const hung = bystander()
    const close = await falter('')
    keep({ holder: async () => hung })
    await until('it is ended', () => !isAlive(hung), 100)

    expect(clock.bootMs() - 1_000_000).toBeGreaterThanOrEqual(GUARDIAN_HUNG_MS_MAX)
    await keeper.stop()
    await close()
  })

  test('makes room for its own version, and leaves what others started alone', async () => {
    const older = bystander()
    beat = { ...beat, version: '1.2.2', guardian: older }
    await serve()
    keep()
    await until('it holds', () => keeper.holds)
    await keeper.stop()
    expect(isAlive(older)).toBe(true)

    keep({})
    await until('it is told to go', () => !isAlive(older))
  })
})

/** Takes connections as a stopped process does, after its last words. */
async function falter(lastWords: string): Promise<() => Promise<void>> {
  const mute = createServer((connection) => {
    connection.on('error', () => undefined)
    connection.write(lastWords)
  })
  await new Promise<void>((listening) => mute.listen(socket, listening))
  return async () => {
    await new Promise((closed) => mute.close(closed))
  }
}
