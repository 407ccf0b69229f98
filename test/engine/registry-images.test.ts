import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Engine } from '../../agent/execute/engine.ts'
import { Images, type PullPolicy } from '../../agent/execute/images.ts'
import { PulledImages } from '../../agent/execute/pulled-images.ts'
import { busyboxRoot } from '../../deploy/base-image.ts'
import type { LayerEntry } from '../../deploy/image-archive.ts'
import { GIVE_BACKS_MAX } from '../../protocol/core/limits.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { AttemptRig } from '../support/attempt-rig.ts'
import { EngineProxy } from '../support/engine-proxy.ts'
import { ARM64_BUSYBOX } from '../support/foreign-busybox.ts'
import { ImageRegistry, type Pushed } from '../support/image-registry.ts'

const TEST_MS = 120_000
const AMD64 = 'linux/amd64'
const ARM64 = 'linux/arm64/v8'
const engine = Engine.local(undefined)

let registry: ImageRegistry
let dir: string
let names = 0
/** Ids of what tests had pushed: whoever pulled it, it is gone in the end. */
const pushed: string[] = []

beforeAll(async () => {
  registry = await ImageRegistry.open()
  dir = await mkdtemp(join(tmpdir(), 'runner-mesh-images-'))
}, TEST_MS)

afterAll(async () => {
  for (const id of pushed) await engine.removeImage(id)
  await registry.close()
  await rm(dir, { recursive: true, force: true })
})

let name: string
beforeEach(async () => {
  names += 1
  name = `team/tool-${names}`
})

/** A small image that says `word`. */
function small(platform: string, word: string) {
  const entries = [{ kind: 'file', path: 'word', mode: 0o644, bytes: Buffer.from(word) }] as const
  return { platform, entries: entries satisfies readonly LayerEntry[] }
}

async function push(platforms: readonly string[], word: string, tag = '1') {
  const wishes = platforms.map((platform) => small(platform, `${name} ${word}`))
  const index = await registry.pushIndex(name, tag, wishes)
  pushed.push(...index.images.map(({ imageId }) => imageId))
  return index
}

const reference = (tag = '1'): string => `${registry.host}/${name}:${tag}`

/** As an agent has them that was just started, with what one before it had pulled in `file`. */
async function images(pull: PullPolicy = 'missing', file = `${names}.json`, asked = engine) {
  const parts = { clock: systemClock(), log: silentLog() }
  const pulled = await PulledImages.open(parts, join(dir, file))
  const said: string[] = []
  const here = new Images({ engine: asked, pulled }, { pull, owner: 'test' })
  const ensure = (platform = AMD64, text = reference()) =>
    here.ensure({
      reference: text,
      claimId: `claim-${said.length}`,
      platform,
      signal: AbortSignal.timeout(TEST_MS),
      say: (line) => said.push(line)
    })
  const drop = async (imageId: string): Promise<boolean> => {
    for (const at of said.keys()) here.release(`claim-${at}`)
    return await here.drop(imageId)
  }
  return { ensure, drop, said, pulled }
}

const idOf = (image: Pushed | undefined): string => image?.imageId ?? 'none'

describe('an image of a registry', { timeout: TEST_MS }, () => {
  test('is fetched by its digest for each platform, and both stay beside each other', async () => {
    const { digest, images: both } = await push([AMD64, ARM64], 'first')
    const { ensure, said, pulled } = await images()

    const found = await Promise.all([ensure(), ensure('linux/arm64'), ensure(), ensure(ARM64)])

    expect(found.map(({ id }) => id)).toEqual([0, 1, 0, 1].map((index) => idOf(both[index])))
    expect(said).toContain(`image ${reference()} is ${digest} for ${AMD64}`)
    expect(said).toContain(`image ${reference()} is ${digest} for ${ARM64}`)
    expect(pulled.find(reference(), AMD64)).toMatchObject({ digest, imageId: idOf(both[0]) })
    // Under no name of the registry's: that would stand for one platform alone.
    expect(await engine.image(reference())).toBeUndefined()
    expect(await engine.image(`${registry.host}/${name}@${digest}`)).toBeUndefined()
  })

  test('whose tag moves between the question and the pull is what the answer was', async () => {
    const first = await push([AMD64, ARM64], 'first')
    const proxy = await EngineProxy.open(engine.socket)
    try {
      let moved: Promise<unknown> | undefined
      proxy.treat = (call) => {
        if (!/^POST .images.create/.test(call)) return undefined
        moved ??= push([AMD64, ARM64], 'second')
        return { kind: 'hold', until: moved }
      }
      const { ensure, said } = await images('missing', 'moving.json', Engine.local(proxy.socket))
      const found = await ensure()

      expect(moved).toBeDefined()
      expect(found.id).toBe(idOf(first.images[0]))
      expect(said.at(-1)).toBe(`image ${reference()} is ${first.digest} for ${AMD64}`)
    } finally {
      await proxy.close()
    }
  })

  test('that another agent pulls just then for another platform is fetched after it', async () => {
    const { digest, images: both } = await push([AMD64, ARM64], 'first')
    const exact = `${registry.host}/${name}@${digest}`
    const limit = { signal: AbortSignal.timeout(TEST_MS) }
    await engine.pull(`${registry.host}/${name}`, digest, ARM64, limit)
    const proxy = await EngineProxy.open(engine.socket)
    try {
      let pulls = 0
      proxy.treat = (call) => {
        if (!call.startsWith('POST /images/create')) return undefined
        pulls += 1
        // By its second try the other one has given its own a name.
        return pulls === 2 ? { kind: 'hold', until: engine.removeImage(exact) } : undefined
      }
      const { ensure } = await images('missing', 'race.json', Engine.local(proxy.socket))

      expect((await ensure()).id).toBe(idOf(both[0]))
      expect(pulls).toBe(2)
    } finally {
      await proxy.close()
    }
  })

  test('that its owner has pulled by that digest is used, and stays theirs', async () => {
    const { digest, images: both } = await push([AMD64], 'first')
    const limit = { signal: AbortSignal.timeout(TEST_MS) }
    await engine.pull(`${registry.host}/${name}`, digest, AMD64, limit)
    const { ensure, drop } = await images()

    expect((await ensure()).id).toBe(idOf(both[0]))
    // Only the name that this agent gave it goes with this agent's use.
    expect(await drop(idOf(both[0]))).toBe(false)
    const exact = `${registry.host}/${name}@${digest}`
    expect(await engine.image(exact)).toMatchObject({ id: idOf(both[0]), tags: [] })
  })

  test('whose pull a killed agent left in the middle is in nobody’s way', async () => {
    const { digest, images: both } = await push([AMD64, ARM64], 'first')
    const limit = { signal: AbortSignal.timeout(TEST_MS) }
    const before = await images()
    await before.pulled.begin(`${registry.host}/${name}@${digest}`)
    await engine.pull(`${registry.host}/${name}`, digest, ARM64, limit)
    const { ensure, pulled } = await images()

    expect((await ensure()).id).toBe(idOf(both[0]))
    expect(pulled.isFetching(`${registry.host}/${name}@${digest}`)).toBe(false)
  })

  test('without the platform is refused before anything is fetched', async () => {
    await push([AMD64, ARM64], 'first')
    const proxy = await EngineProxy.open(engine.socket)
    try {
      const { ensure } = await images('missing', 'none.json', Engine.local(proxy.socket))

      await expect(ensure('linux/riscv64')).rejects.toMatchObject({
        code: 'IMAGE_PLATFORM_LACKING',
        message: expect.stringContaining(`has no linux/riscv64, only ${AMD64}, ${ARM64}`)
      })
      expect(proxy.calls.filter((call) => call.startsWith('POST'))).toEqual([])
    } finally {
      await proxy.close()
    }
  })

  test('that is one alone, without an index, is known by its own manifest', async () => {
    const one = await registry.push(name, small(ARM64, `${name} alone`), '1')
    pushed.push(one.imageId)
    const { ensure, pulled } = await images()

    expect((await ensure(ARM64)).id).toBe(one.imageId)
    expect(pulled.find(reference(), ARM64)?.digest).toBe(one.digest)
    await expect(ensure(AMD64)).rejects.toMatchObject({ code: 'IMAGE_PLATFORM_LACKING' })
  })

  test('is had on a host of a higher level, in one of its own level or of a lower one', async () => {
    await push([AMD64, ARM64], 'first')
    const one = await registry.push(name, small(AMD64, `${name} alone`), '2')
    pushed.push(one.imageId)
    const { ensure } = await images()

    expect((await ensure(`${AMD64}/v3`)).platform).toBe(AMD64)
    expect((await ensure(`${AMD64}/v4`, reference('2'))).id).toBe(one.imageId)
    const levelled = await push([`${AMD64}/v3`], 'third', '3')
    expect((await ensure(`${AMD64}/v4`, reference('3'))).id).toBe(idOf(levelled.images[0]))
    await expect(ensure(`${AMD64}/v2`, reference('3'))).rejects.toMatchObject({
      code: 'IMAGE_PLATFORM_LACKING'
    })
  })

  test('that a job names by its digest is that one, wherever the tag has gone', async () => {
    const first = await push([AMD64], 'first')
    await push([AMD64], 'second')
    const { ensure } = await images()

    const found = await ensure(AMD64, `${registry.host}/${name}@${first.digest}`)
    expect(found.id).toBe(idOf(first.images[0]))
  })

  test('is taken from here while its registry is away, and once it is gone here, is not', async () => {
    const { images: both } = await push([AMD64], 'first')
    await (await images()).ensure()
    await registry.stop()
    try {
      const again = await images()
      expect((await again.ensure()).id).toBe(idOf(both[0]))
      expect(again.said).toEqual([expect.stringContaining(' is sha256:')])

      await engine.removeImage(idOf(both[0]))
      await expect((await images()).ensure()).rejects.toMatchObject({ code: 'IMAGE_PULL_FAILED' })
    } finally {
      await registry.start()
    }
    expect((await (await images()).ensure()).id).toBe(idOf(both[0]))
  })
})

describe("the owner's word on pulls", { timeout: TEST_MS }, () => {
  test('missing: what is here is used, though the tag has moved', async () => {
    const first = await push([AMD64], 'first')
    await (await images()).ensure()
    await push([AMD64], 'second')

    expect((await (await images()).ensure()).id).toBe(idOf(first.images[0]))
  })

  test('always: what the tag stands for now, fetched once', async () => {
    await push([AMD64], 'first')
    await (await images('always')).ensure()
    const second = await push([AMD64], 'second')
    const proxy = await EngineProxy.open(engine.socket)
    try {
      const asked = Engine.local(proxy.socket)
      const ids = []
      for (let times = 0; times < 3; times++) {
        ids.push((await (await images('always', `${names}.json`, asked)).ensure()).id)
      }
      expect(new Set(ids)).toEqual(new Set([idOf(second.images[0])]))
      const pulls = proxy.calls.filter((call) => call.startsWith('POST /images/create'))
      expect(pulls).toHaveLength(1)
    } finally {
      await proxy.close()
    }
  })

  test('always: not without the registry', async () => {
    await push([AMD64], 'first')
    await (await images('always')).ensure()
    await registry.stop()
    try {
      const { ensure } = await images('always')
      await expect(ensure()).rejects.toMatchObject({ code: 'IMAGE_PULL_FAILED' })
    } finally {
      await registry.start()
    }
  })

  test('never: only what is here', async () => {
    const { images: both } = await push([AMD64], 'first')
    const { ensure } = await images('never')
    await expect(ensure()).rejects.toMatchObject({ code: 'IMAGE_PULL_FORBIDDEN' })

    await (await images('missing')).ensure()
    expect((await (await images('never')).ensure()).id).toBe(idOf(both[0]))
  })
})

describe('a job in an image of a registry', { timeout: TEST_MS }, () => {
  let rig: AttemptRig
  beforeAll(async () => {
    rig = await AttemptRig.open()
  })
  afterAll(() => rig.close())

  test('of two platforms at once runs each on its own, and its log says which image', async () => {
    const { digest, images: both } = await registry.pushIndex('team/shell', '1', [
      { platform: AMD64, entries: await busyboxRoot() },
      { platform: ARM64, entries: await busyboxRoot(ARM64_BUSYBOX) }
    ])
    pushed.push(...both.map(({ imageId }) => imageId))
    const image = `${registry.host}/team/shell:1`
    const steps = [{ run: 'uname -m; echo $RUNNER_MESH_PLATFORM' }]
    const wanted = [AMD64, 'linux/arm64', AMD64, 'linux/arm64']

    const runs = await Promise.all(
      wanted.map((platform) => rig.run({ spec: { image, platform }, steps }))
    )

    for (const [index, { result, lines }] of runs.entries()) {
      const [machine, platform] = index % 2 === 0 ? ['x86_64', AMD64] : ['aarch64', ARM64]
      expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
      const text = lines.map((line) => line.text)
      expect(text.slice(-2)).toEqual([machine, platform])
      expect(text).toContain(`image ${image} is ${digest} for ${platform}`)
    }
    expect(await rig.left()).toEqual([])
  })

  test('without its platform goes to another host, and says which there are', async () => {
    await push([AMD64], 'first')
    const spec = { image: reference(), platform: 'linux/riscv64' }
    const { result } = await rig.run({ spec })

    expect(result).toMatchObject({
      kind: 'interrupted',
      reason: 'image_unavailable',
      fault: 'job',
      userCodeRan: false,
      message: expect.stringContaining(`${reference()} has no linux/riscv64, only linux/amd64`)
    })
    // Where none has it, the last one says so.
    const { result: last } = await rig.run({ spec, givenBack: GIVE_BACKS_MAX })
    expect(last).toMatchObject({ outcome: { state: 'errored', reason: 'image_unavailable' } })
    expect(last).toHaveProperty('outcome.message', expect.stringContaining('no linux/riscv64'))
  })
})
