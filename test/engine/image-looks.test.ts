import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Engine } from '../../agent/execute/engine.ts'
import { ImageLooks, type Looked } from '../../agent/execute/image-looks.ts'
import { Images, type PullPolicy } from '../../agent/execute/images.ts'
import { PulledImages } from '../../agent/execute/pulled-images.ts'
import { IMAGE_LOOK_AGE_MS_MAX } from '../../protocol/core/image-limits.ts'
import type { RegistryLogin } from '../../protocol/core/registry-login.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { EngineProxy } from '../support/engine-proxy.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { ImageRegistry } from '../support/image-registry.ts'
import { testImage } from '../support/test-image.ts'

const TEST_MS = 120_000
const [AMD64, ARM64, RISCV64] = ['linux/amd64', 'linux/arm64/v8', 'linux/riscv64'] as const
const HOST = [AMD64, ARM64, RISCV64].map((name) => ({ name, native: name === AMD64 }))
const LOGIN = { user: 'ci', password: 'open-sesame' }
const ASKED = /^GET \/distribution\//

let registry: ImageRegistry
let closed: ImageRegistry
let dir: string
let proxy: EngineProxy
let clock: FakeClock
let names = 0

beforeAll(async () => {
  registry = await ImageRegistry.open()
  closed = await ImageRegistry.open(LOGIN)
  dir = await mkdtemp(join(tmpdir(), 'runner-mesh-looks-'))
}, TEST_MS)

afterAll(async () => {
  await registry.close()
  await closed.close()
  await rm(dir, { recursive: true, force: true })
})

beforeEach(async () => {
  proxy = await EngineProxy.open(Engine.local(undefined).socket)
  clock = new FakeClock()
})

afterEach(() => proxy.close())

/** As an agent looks that was just started, with nothing pulled. */
async function looksOf(pull: PullPolicy = 'missing', logins: readonly RegistryLogin[] = []) {
  const engine = Engine.local(proxy.socket)
  names += 1
  const pulled = await PulledImages.open({ clock, log: silentLog() }, join(dir, `${names}.json`))
  const images = new Images({ engine, pulled }, { pull, owner: 'test' })
  const byHost = new Map(logins.map((login) => [login.registry, login]))
  const looks = new ImageLooks({ engine, images, clock }, { pull, logins: byHost })
  const learn = (spec: Looked, signal = AbortSignal.timeout(TEST_MS)) =>
    looks.learn(spec, HOST, signal)
  return { looks, learn, engine }
}

/** Pushes an index and gives what jobs call it. */
async function pushed(platforms: readonly string[], to = registry): Promise<string> {
  names += 1
  const wishes = platforms.map((platform) => ({ platform, entries: [] }))
  await to.pushIndex(`team/tool-${names}`, '1', wishes)
  return `${to.host}/team/tool-${names}:1`
}

const asked = (): number => proxy.calls.filter((call) => ASKED.test(call)).length
const job = (image: string, platform: string = RISCV64): Looked => ({ image, platform })

describe('before a claim an agent', { timeout: TEST_MS }, () => {
  test('learns from the registry what an index is there for, and fetches nothing', async () => {
    const image = await pushed([AMD64, ARM64])
    const { looks, learn } = await looksOf()
    await learn(job(image))

    expect(looks.lacking).toEqual([{ image, platforms: [AMD64, ARM64] }])
    expect(proxy.calls.filter((call) => !call.startsWith('GET'))).toEqual([])
  })

  test('lacks nothing that is there, by an older variant as well', async () => {
    const image = await pushed([AMD64, 'linux/arm/v6'])
    const { looks, learn } = await looksOf()
    await learn({ image, platform: undefined })
    await learn(job(image, 'linux/arm/v7'))

    expect(looks.lacking).toEqual([])
    expect(asked()).toBe(1)
  })

  test('asks once, whoever wants to know, until the answer is too old', async () => {
    const image = await pushed([AMD64])
    const { looks, learn } = await looksOf()
    let changes = 0
    looks.onChange(() => {
      changes += 1
    })
    await Promise.all([learn(job(image)), learn(job(image)), learn(job(image, ARM64))])
    await learn(job(image))
    expect([asked(), changes]).toEqual([1, 1])

    // Pushed meanwhile: seen once the answer does not count any more.
    const [name = ''] = image.slice(registry.host.length + 1).split(':')
    await registry.pushIndex(
      name,
      '1',
      [AMD64, RISCV64].map((platform) => ({ platform, entries: [] }))
    )
    await learn(job(image))
    expect(looks.lacking).toHaveLength(1)
    await clock.advance(IMAGE_LOOK_AGE_MS_MAX)
    expect([looks.lacking, changes]).toEqual([[], 2])
    await learn(job(image))
    expect([looks.lacking, asked(), clock.armed()]).toEqual([[], 2, 0])
  })

  test('knows nothing, and so lacks nothing, where a registry does not answer or refuses', async () => {
    const gone = `127.0.0.1:1/team/tool:1`
    const image = await pushed([AMD64], closed)
    const { looks, learn } = await looksOf()
    await learn(job(gone))
    await learn(job(image))
    await learn(job(image))

    expect(looks.lacking).toEqual([])
    // Nor is it asked again for each job: claims would wait for it.
    expect(asked()).toBe(2)
  })

  test("asks with its owner's login, and not where only the job's own would do", async () => {
    const image = await pushed([AMD64], closed)
    const own = {
      ...job(image),
      secrets: [{ name: 'PULL', file: undefined, registry: closed.host }]
    }
    const { looks, learn } = await looksOf('missing', [{ registry: closed.host, ...LOGIN }])
    await learn(own)
    expect([looks.lacking, asked()]).toEqual([[], 0])

    await learn(job(image))
    expect(looks.lacking).toEqual([{ image, platforms: [AMD64] }])
  })

  test('asks nobody for an image that is here, or where its owner lets nothing be pulled', async () => {
    const image = await pushed([AMD64])
    const never = await looksOf('never')
    await never.learn(job(image))
    expect([never.looks.lacking, asked()]).toEqual([[], 0])

    const { looks, learn, engine } = await looksOf()
    const remove = await testImage(engine, { name: image, platform: RISCV64, bare: true })
    try {
      await learn(job(image))
      expect([looks.lacking, asked()]).toEqual([[], 0])
      // What it has itself is said beside what its registry has.
      await learn(job(image, ARM64))
      expect(looks.lacking).toEqual([{ image, platforms: [AMD64, RISCV64] }])
    } finally {
      await remove()
    }
  })

  test('waits for a silent registry no longer than for the order that ends its claims', async () => {
    const image = await pushed([AMD64])
    proxy.treat = (call) => (ASKED.test(call) ? { kind: 'silence' } : undefined)
    const { looks, learn } = await looksOf()
    const order = new AbortController()
    const learning = learn(job(image), order.signal)
    order.abort()
    await learning
    expect(looks.lacking).toEqual([])
  })
})
