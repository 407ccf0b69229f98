import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Docker from 'dockerode'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Engine } from '../../agent/execute/engine.ts'
import { ImageSweep } from '../../agent/execute/image-sweep.ts'
import { Images } from '../../agent/execute/images.ts'
import { PulledImages } from '../../agent/execute/pulled-images.ts'
import { IMAGE_DROP_FAILURES_MAX } from '../../protocol/core/image-limits.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { EngineProxy } from '../support/engine-proxy.ts'
import { eventually } from '../support/eventually.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { ImageRegistry } from '../support/image-registry.ts'

const TEST_MS = 120_000
const HOUR_MS = 3_600_000
const AMD64 = 'linux/amd64'
const engine = Engine.local(undefined)
const docker = new Docker({ socketPath: engine.socket })

let registry: ImageRegistry
let dir: string
let clock: FakeClock
let pulled: PulledImages
let images: Images
const cleanUps: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  registry = await ImageRegistry.open()
  dir = await mkdtemp(join(tmpdir(), 'runner-mesh-sweep-'))
  clock = new FakeClock()
  pulled = await PulledImages.open({ clock, log: silentLog() }, join(dir, 'images.json'))
  images = new Images({ engine, pulled }, { pull: 'missing', owner: 'sweep' })
})

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
  await registry.close()
  await rm(dir, { recursive: true, force: true })
})

const reference = (name: string): string => `${registry.host}/team/${name}:1`

async function used(name: string, claimId = name): Promise<string> {
  const signal = AbortSignal.timeout(TEST_MS)
  const request = { reference: reference(name), claimId, platform: AMD64, signal, say: () => {} }
  return (await images.ensure(request)).id
}

/** Has an image pulled and used by an attempt that ended, an hour after the one before. */
async function fetched(name: string): Promise<string> {
  const entries = [
    { kind: 'file', path: 'x', mode: 0o644, bytes: Buffer.from(registry.host + name) }
  ] as const
  const { imageId } = await registry.push(`team/${name}`, { platform: AMD64, entries }, '1')
  cleanUps.push(() => engine.removeImage(imageId))
  expect(await used(name)).toBe(imageId)
  images.release(name)
  await clock.advance(HOUR_MS)
  return imageId
}

/** A disk whose readings are these, one after the other, the last one for ever. */
function sweep(...usedPercents: number[]): ImageSweep {
  const disk = async () => {
    const usedPercent = usedPercents.length > 1 ? usedPercents.shift() : usedPercents[0]
    return { totalBytes: 1_000, freeBytes: 1_000 - (usedPercent ?? 0) * 10 }
  }
  const parts = { images, pulled, disk, clock, log: silentLog() }
  return new ImageSweep(parts, { cleanAbove: 80, cleanTo: 70 })
}

const isHere = async (id: string): Promise<boolean> => (await engine.image(id)) !== undefined

describe('room on the disk of the engine', { timeout: TEST_MS }, () => {
  test('is made of the least recently used, no more than is needed', async () => {
    const [first, second, third] = [await fetched('a'), await fetched('b'), await fetched('c')]
    await used('a')
    images.release('a')

    expect(await sweep(80).look()).toEqual([])
    expect(await sweep(81, 75, 70).look()).toEqual([second, third])

    expect(await Promise.all([first, second, third].map(isHere))).toEqual([true, false, false])
    const left = await PulledImages.open({ clock, log: silentLog() }, join(dir, 'images.json'))
    expect(left.all.map(({ imageId }) => imageId)).toEqual([first])
  })

  test('is never made of what an attempt or a container has', async () => {
    const [held, boxed, free] = [await fetched('a'), await fetched('b'), await fetched('c')]
    await used('a', 'an attempt')
    const box = await docker.createContainer({ Image: boxed, Cmd: ['/none'] })
    cleanUps.push(() => box.remove({ force: true }))

    expect(await sweep(95).look()).toEqual([free])
    expect(await Promise.all([held, boxed].map(isHere))).toEqual([true, true])

    images.release('an attempt')
    await box.remove()
    cleanUps.pop()
    expect(await sweep(95).look()).toEqual([boxed, held])
  })

  test('is never made of what somebody else has put here or given a name', async () => {
    const theirs = await fetched('theirs')
    const name = 'runner-mesh-test/kept'
    await docker.getImage(theirs).tag({ repo: name, tag: '1' })
    const loaded = await fetched('loaded')
    await pulled.forget(loaded)
    const other = 'runner-mesh-test/loaded'
    await docker.getImage(loaded).tag({ repo: other, tag: '1' })

    expect(await sweep(95).look()).toEqual([])
    expect(await Promise.all([theirs, loaded].map(isHere))).toEqual([true, true])
  })

  test('counts for an image that is already gone, and is not asked for again', async () => {
    const id = await fetched('a')
    await engine.removeImage(id)

    await sweep(95).look()
    expect(pulled.all).toEqual([])
  })

  test('is looked for once a minute until the agent stops', async () => {
    const id = await fetched('a')
    const looking = sweep(95)
    looking.start()
    await clock.advance(60_000)
    await looking.stop()

    expect(await isHere(id)).toBe(false)
  })

  test('goes on with the next where one cannot be removed', async () => {
    const [first, second] = [await fetched('a'), await fetched('b')]
    const proxy = await EngineProxy.open(engine.socket)
    cleanUps.push(() => proxy.close())
    let removals = 0
    proxy.treat = (call) => {
      if (!call.startsWith('DELETE /images/')) return undefined
      removals += 1
      return removals === 1 ? { kind: 'answer', status: 500, message: 'busy' } : undefined
    }
    images = new Images(
      { engine: Engine.local(proxy.socket), pulled },
      { pull: 'missing', owner: 'sweep' }
    )

    expect(await sweep(95).look()).toEqual([second])
    expect(await sweep(95).look()).toEqual([first])
  })

  test('is not asked for without end of an engine that removes nothing', async () => {
    const all = []
    for (let at = 0; at <= IMAGE_DROP_FAILURES_MAX; at += 1) all.push(await fetched(`n${at}`))
    const proxy = await EngineProxy.open(engine.socket)
    cleanUps.push(() => proxy.close())
    proxy.treat = (call) =>
      call.startsWith('DELETE') ? { kind: 'answer', status: 500, message: 'busy' } : undefined
    images = new Images(
      { engine: Engine.local(proxy.socket), pulled },
      { pull: 'missing', owner: 'sweep' }
    )

    await expect(sweep(95).look()).rejects.toThrow('busy')
    const removals = proxy.calls.filter((call) => call.startsWith('DELETE'))
    expect(removals).toHaveLength(IMAGE_DROP_FAILURES_MAX)
  })

  test('is not made of what an attempt comes to have while it is being removed', async () => {
    const id = await fetched('a')
    const proxy = await EngineProxy.open(engine.socket)
    cleanUps.push(() => proxy.close())
    const go = Promise.withResolvers<void>()
    proxy.treat = (call) =>
      call.startsWith('DELETE /images/') && call.includes('runner-mesh-pulled')
        ? { kind: 'hold', until: go.promise }
        : undefined
    images = new Images(
      { engine: Engine.local(proxy.socket), pulled },
      { pull: 'missing', owner: 'sweep' }
    )

    const dropped = images.drop(id)
    await eventually('the removal is under way', () => proxy.calls.length > 0)
    let isHad = false
    const having = used('a', 'an attempt').finally(() => {
      isHad = true
    })
    await eventually('the attempt looks', () => proxy.calls.length > 1)
    expect(isHad).toBe(false)
    go.resolve()

    expect(await dropped).toBe(true)
    expect(await having).toBe(id)
    expect(await isHere(id)).toBe(true)
  })

  test('is made of what a killed agent pulled and had not written down', async () => {
    const id = await fetched('a')
    await pulled.forget(id)
    const unnamed = await fetched('b')
    const { digest } = pulled.all.find(({ imageId }) => imageId === unnamed) ?? { digest: '' }
    await images.drop(unnamed)
    const name = `${registry.host}/team/b`
    await pulled.begin(`${name}@${digest}`)
    await engine.pull(name, digest, AMD64, { signal: AbortSignal.timeout(TEST_MS) })
    expect(await Promise.all([id, unnamed].map(isHere))).toEqual([true, true])

    // Whatever room there is: nobody would find them later.
    await sweep(10).look()

    expect(await Promise.all([id, unnamed].map(isHere))).toEqual([false, false])
    expect(pulled.fetching).toEqual([])
  })

  test('is not made of what another agent of this engine has taken, pulled by either', async () => {
    const id = await fetched('a')
    const path = join(dir, 'other.json')
    const theirs = await PulledImages.open({ clock, log: silentLog() }, path)
    const others = new Images({ engine, pulled: theirs }, { pull: 'missing', owner: 'other' })
    const { digest } = pulled.all[0] ?? { digest: '' }
    // The first is in the middle of its pull: what came has the registry's name and none of ours.
    await engine.removeImage(`runner-mesh-pulled/sweep:${id.slice(7, 31)}`, false)
    const asking = { signal: AbortSignal.timeout(TEST_MS) }
    await engine.pull(`${registry.host}/team/a`, digest, AMD64, asking)
    const request = { reference: reference('a'), claimId: 'theirs', platform: AMD64 }
    await others.ensure({ ...request, ...asking, say: () => undefined })
    await engine.removeImage(`${registry.host}/team/a@${digest}`, false)

    await images.drop(id)
    expect(await isHere(id)).toBe(true)

    others.release('theirs')
    expect(await others.drop(id)).toBe(true)
  })
})
