import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Engine } from '../../agent/execute/engine.ts'
import { tryBuilder } from '../../agent/probe/builder-trial.ts'
import { AttemptRig, type AttemptWish } from '../support/attempt-rig.ts'
import { builderImage, containerSource } from '../support/builder-image.ts'
import { EngineProxy } from '../support/engine-proxy.ts'
import { RemappedEngine } from '../support/remapped-engine.ts'

const SET_UP_MS = 120_000
const TEST_MS = 60_000
const MIB = 1_048_576
const IMAGE = 'runner-mesh-test/builder:1'

/** All in one file, without a registry. */
const BUILD = 'buildah bud --quiet --tag made . && buildah push --quiet made oci-archive:made.tar'

const SPEC = {
  image: IMAGE,
  builder: true,
  resources: { cpuMilli: 2_000, memoryBytes: 512 * MIB }
} as const

/** An engine with an image to build in, and a repository with something to build. */
async function opened(socket?: string) {
  const rig = await AttemptRig.open({ builder: true, ...(socket === undefined ? {} : { socket }) })
  const removeImage = await builderImage(rig.engine, IMAGE)
  const commit = await rig.git.commitTree(containerSource)
  const close = async (): Promise<void> => {
    await removeImage()
    await rig.close()
  }
  return { rig, commit, close }
}

async function ran(
  { rig, commit }: { rig: AttemptRig; commit: string },
  run: string,
  wish: AttemptWish = {}
) {
  const { result, lines } = await rig.run({ commit, steps: [{ run }], ...wish, spec: SPEC })
  const said = lines.filter(({ step }) => step > 0).map(({ text }) => text)
  return { result, said }
}

let open: Awaited<ReturnType<typeof opened>>

beforeAll(async () => {
  open = await opened()
}, SET_UP_MS)

afterAll(async () => {
  await open?.close()
}, SET_UP_MS)

const succeeded = { outcome: { state: 'succeeded' } }

describe('a builder of images', { timeout: TEST_MS }, () => {
  test('stands its trial here, which leaves nothing', async () => {
    const { engine, peerId } = open.rig
    expect(await tryBuilder({ engine, peerId, busybox: '/bin/busybox' })).toBeUndefined()

    const mine = { 'runner-mesh.trial': peerId }
    expect(await engine.containers(mine)).toEqual([])
    expect(await engine.images(mine)).toEqual([])
  })

  test.each([
    ['does not start it', /start$/, 'no space left on device'],
    ['does not make it', /containers.create$/, 'invalid --security-opt']
  ])('is not offered on an engine that %s, and leaves nothing', async (_, call, message) => {
    const { peerId } = open.rig
    const proxy = await EngineProxy.open(open.rig.engine.socket)
    try {
      const answer = { kind: 'answer', status: 500, message } as const
      proxy.treat = (asked) => (call.test(asked) ? answer : undefined)
      const engine = Engine.local(proxy.socket)

      expect(await tryBuilder({ engine, peerId, busybox: '/bin/busybox' })).toMatchObject({
        part: 'builder',
        blocking: false,
        found: `no job builds images here: ${message}`
      })
      expect(await open.rig.engine.containers({ 'runner-mesh.trial': peerId })).toEqual([])
    } finally {
      await proxy.close()
    }
  })

  test('builds in several stages, and packs what it has built', async () => {
    const { result, said } = await ran(open, `${BUILD} && tar -tf made.tar | grep -c blobs/sha256/`)

    expect(result, said.join('\n')).toMatchObject(succeeded)
    expect(Number(said.at(-1))).toBeGreaterThan(2)
    expect(await open.rig.left()).toEqual([])
  })

  test('is user 10001 without a capability, and root of its own namespace alone', async () => {
    const { said } = await ran(
      open,
      [
        'id -u; grep -E "^(CapEff|CapBnd|NoNewPrivs|Seccomp):" /proc/self/status',
        'buildah --log-level fatal unshare sh -c "id -u; cat /proc/self/uid_map /proc/self/setgroups"'
      ].join('\n')
    )

    expect(said.map((line) => line.trim().replace(/\s+/g, ' '))).toEqual([
      ...['10001', 'NoNewPrivs: 1', 'Seccomp: 2'].toSpliced(
        1,
        0,
        ...['CapEff', 'CapBnd'].map((set) => `${set}: 0000000000000000`)
      ),
      ...['0', '0 10001 1', 'deny']
    ])
  })

  test('mounts no file system: an overlay is refused, and nothing is built on it', async () => {
    const { result, said } = await ran(
      open,
      `export STORAGE_DRIVER=overlay STORAGE_OPTS=; ${BUILD}`
    )

    expect(result).toMatchObject({ outcome: { state: 'failed' } })
    expect(said.join('\n')).toMatch(/overlay.*not support|not permitted/)
  })

  test('is refused to a run that is not trusted, on every host, and never begins', async () => {
    const { result, said } = await ran(open, 'echo ran', { trust: 'untrusted' })

    expect(said).toEqual([])
    expect(result).toMatchObject({ outcome: { state: 'errored', reason: 'policy_refused' } })
    expect(result).toHaveProperty('outcome.message', expect.stringContaining('not trusted'))
    expect(await open.rig.left()).toEqual([])
  })

  test('goes back where the owner does not offer it', async () => {
    const rig = await AttemptRig.open()
    try {
      const { result } = await rig.run({ spec: SPEC, steps: [{ run: 'echo ran' }] })

      expect(result).toMatchObject({ kind: 'interrupted', reason: 'policy_refused' })
      expect(await rig.left()).toEqual([])
    } finally {
      await rig.close()
    }
  })
})

describe('a builder on an engine that maps users', { timeout: TEST_MS }, () => {
  test('builds there as well, in a namespace within the namespace of its engine', async () => {
    const remapped = await RemappedEngine.start()
    try {
      const there = await opened(remapped.socket)
      try {
        const { engine, peerId } = there.rig
        expect(await tryBuilder({ engine, peerId, busybox: '/bin/busybox' })).toBeUndefined()

        const { result, said } = await ran(there, BUILD)
        expect(result, said.join('\n')).toMatchObject(succeeded)
      } finally {
        await there.close()
      }
    } finally {
      await remapped.stop()
    }
  }, 120_000)
})
