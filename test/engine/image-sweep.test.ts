import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Docker from 'dockerode'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Engine } from '../../agent/execute/engine.ts'
import { ImageSweep } from '../../agent/execute/image-sweep.ts'
import { Images } from '../../agent/execute/images.ts'
import { PulledImages } from '../../agent/execute/pulled-images.ts'
import { silentLog } from '../../protocol/host/log.ts'
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
})
