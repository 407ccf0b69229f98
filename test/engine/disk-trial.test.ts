import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LoopVolumes } from '../../agent/execute/disk/loop-volumes.ts'
import { Engine } from '../../agent/execute/engine.ts'
import { tryDisk, tryQuota } from '../../agent/probe/disk-trial.ts'
import { EngineProxy } from '../support/engine-proxy.ts'

const TEST_MS = 60_000
const REAL = '/var/run/docker.sock'

let proxy: EngineProxy
let peerId: string
let folder: string
beforeEach(async () => {
  proxy = await EngineProxy.open(REAL)
  peerId = `test-${randomBytes(8).toString('hex')}`
  folder = await mkdtemp(join(tmpdir(), 'rm-disk-trial-'))
})
afterEach(async () => {
  await proxy.close()
  await new LoopVolumes(folder).remove('trial')
  await rm(folder, { recursive: true, force: true })
})

function tried(limit: 'auto' | 'soft' = 'auto') {
  const engine = Engine.local(proxy.socket)
  return tryDisk({ engine, peerId, busybox: '/bin/busybox', folder, limit })
}

/** An engine that takes every size, and keeps to none. */
function forgetful(engine: Engine): Engine {
  const create: Engine['create'] = (name, platform, { HostConfig, ...body }) => {
    const { StorageOpt: _ignored, ...rest } = HostConfig
    const Mounts = rest.Mounts.map(({ VolumeOptions, ...mount }) => {
      if (VolumeOptions === undefined) return mount
      const { NoCopy, Labels } = VolumeOptions
      return { ...mount, VolumeOptions: { NoCopy, Labels } }
    })
    return engine.create(name, platform, { ...body, HostConfig: { ...rest, Mounts } })
  }
  const bound = (key: string | symbol): unknown => {
    const value: unknown = Reflect.get(engine, key)
    return typeof value === 'function' ? value.bind(engine) : value
  }
  return new Proxy(engine, { get: (_, key) => (key === 'create' ? create : bound(key)) })
}

/** Containers, volumes, images, files and devices of this test's trials. */
async function left(): Promise<number> {
  const engine = Engine.local(REAL)
  const labels = { 'runner-mesh.trial': peerId }
  const lists = [engine.containers(labels), engine.volumes(labels), engine.images(labels)]
  const found = (await Promise.all(lists)).flat()
  const names = (await readdir('/sys/block')).filter((name) => name.startsWith('loop'))
  const files = names.map((name) =>
    readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => '')
  )
  const devices = (await Promise.all(files)).filter((file) => file.startsWith(folder))
  return found.length + (await readdir(folder)).length + devices.length
}

describe('a trial of what keeps jobs to their disk', { timeout: TEST_MS }, () => {
  test('finds that a file system of a fixed size does, and leaves nothing', async () => {
    expect(await tried()).toEqual({ control: 'loop', problems: [] })
    expect(await left()).toBe(0)
  })

  test('does not take an engine for one with quotas that has none', async () => {
    const engine = Engine.local(proxy.socket)

    await expect(tryQuota({ engine, peerId, busybox: '/bin/busybox' })).rejects.toThrow(
      /storage-opt is supported only for overlay over xfs/
    )
    expect(await left()).toBe(0)
  })

  test('does not take one for it that makes the container and stops nothing', async () => {
    const engine = forgetful(Engine.local(proxy.socket))

    await expect(tryQuota({ engine, peerId, busybox: '/bin/busybox' })).rejects.toThrow(
      /nothing stopped a container there \(exit 1\)/
    )
    expect(await left()).toBe(0)
  })

  test('of an engine that mounts no device shows that jobs are only looked at', async () => {
    proxy.treat = (call) =>
      /start$/.test(call)
        ? { kind: 'answer', status: 500, message: 'failed to mount local volume' }
        : undefined

    expect(await tried()).toMatchObject({
      control: 'watch',
      problems: [{ part: 'disk', blocking: false, fix: expect.stringContaining('disk.limit') }]
    })
    expect(await left()).toBe(0)
  })

  test('tries nothing where the owner wants none, and removes what an earlier one left', async () => {
    await new LoopVolumes(folder).make('trial', 16_777_216, 0)

    expect(await tried('soft')).toEqual({ control: 'watch', problems: [] })
    expect(proxy.calls).toEqual([])
    expect(await left()).toBe(0)
  })
})
