import { execFileSync } from 'node:child_process'
import { chmod, chown, mkdir, readdir, rm, rmdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { hostNode, type NodeAt } from '../../agent/execute/gpu/device-node.ts'
import { GpuPassage } from '../../agent/execute/gpu/gpu-passage.ts'
import { GpuRest } from '../../agent/execute/gpu/gpu-rest.ts'
import { JobGpus } from '../../agent/execute/gpu/job-gpus.ts'
import type { LeasedGpu } from '../../agent/execute/gpu/leased-gpu.ts'
import type { GpuDevice } from '../../agent/probe/gpu/gpu-device.ts'
import { HostGpuUse } from '../../agent/probe/gpu/use/host-gpu-use.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { AttemptRig } from '../support/attempt-rig.ts'
import { testImage } from '../support/test-image.ts'

/*
 * GPUs of a real engine's containers: what stands for a GPU is a node that takes what is written to
 * it, and what is wrong with one is what this host lacks.
 */

const TEST_MS = 60_000
const IMAGE = 'runner-mesh-test/wants-all-gpus:1'
/** Far from what any GPU of this host may have. */
const LEASED = '/dev/dri/renderD4090'
const OTHER = '/dev/dri/renderD4091'
const GONE = '/dev/dri/renderD4092'
/** Of the nodes; nobody in an image is in it. */
const GROUP = 29_109

let rig: AttemptRig
let removeImage: () => Promise<void>
let madeFolder: string | undefined
const doubt = vi.fn()
/** One is said to be there that is not, as one that goes in the moment before a start. */
const nodeAt: NodeAt = async (path) => {
  return path === GONE ? { isDevice: true, gid: GROUP, mode: 0o660 } : await hostNode(path)
}
const toolkit = { kind: 'said', code: 0, text: 'CLI version 1.17.8', beside: '' } as const

beforeAll(async () => {
  madeFolder = await mkdir(dirname(LEASED), { recursive: true })
  for (const path of [LEASED, OTHER]) {
    // As /dev/null: a character device that can be written to.
    execFileSync('mknod', [path, 'c', '1', '3'])
    await chown(path, 0, GROUP)
    await chmod(path, 0o660)
  }
  const passage = new GpuPassage({ run: async () => toolkit, nodeAt })
  const clock = systemClock()
  const reader = new HostGpuUse({ root: '/', run: async () => toolkit, nowMs: () => 0 })
  const rest = new GpuRest({ reader, clock })
  const tenants = { add: () => undefined, remove: () => undefined }
  const used = () => undefined
  rig = await AttemptRig.open({ gpus: new JobGpus({ passage, rest, tenants, used, doubt }) })
  removeImage = await testImage(rig.engine, {
    name: IMAGE,
    config: { Env: ['PATH=/bin', 'NVIDIA_VISIBLE_DEVICES=all', 'AMD_VISIBLE_DEVICES=all'] }
  })
})

afterAll(async () => {
  for (const path of [LEASED, OTHER]) await rm(path, { force: true })
  if (madeFolder !== undefined) await rmdir(madeFolder).catch(() => undefined)
  await removeImage?.()
  await rig?.close()
})

beforeEach(() => doubt.mockReset())

function leased(vendor: GpuDevice['vendor'], id: string, ...nodes: readonly string[]): LeasedGpu {
  const facts = { model: 'one', pci: '', memoryBytes: undefined, sharedMemory: false, driver: '' }
  const place = { architecture: '', numaNode: undefined, parent: undefined }
  const health = { health: 'ok', reasons: [] } as const
  return { device: { ...facts, ...place, ...health, id: `${vendor}:${id}`, vendor, nodes } }
}

const texts = (lines: readonly { readonly text: string; readonly step: number }[]) =>
  lines.filter(({ step }) => step > 0).map(({ text }) => text)

describe('a job on a real engine', { timeout: TEST_MS }, () => {
  test("that leases a GPU opens its node by the node's group, and finds no other", async () => {
    const run = [
      'ls /dev/dri',
      `echo work >${LEASED} && echo taken`,
      `stat -c "%a %g" ${LEASED}`,
      'id -u; id -G',
      `mknod /tmp/other c 1 3 2>/dev/null && echo made`,
      'echo end'
    ].join('\n')
    const gpus = [leased('intel', '0000:4d:00.0', '/dev/dri/card9', LEASED)]
    const strict = await rig.run({ steps: [{ run }], trust: 'untrusted', gpus })

    expect(strict.result).toMatchObject({ kind: 'outcome', left: undefined })
    const [nodes, taken, rights, user, groups, ...more] = texts(strict.lines)
    expect([nodes, taken, rights, user]).toEqual([
      LEASED.slice('/dev/dri/'.length),
      'taken',
      `660 ${GROUP}`,
      '10001'
    ])
    expect(groups?.split(' ')).toContain(String(GROUP))
    expect(more).toEqual(['end'])
    expect(await readdir(dirname(LEASED))).toEqual(
      expect.arrayContaining([OTHER.slice('/dev/dri/'.length)])
    )
  })

  test('that leases none has no such folder, whatever its image asks for', async () => {
    const run =
      'ls -d /dev/dri 2>/dev/null || true; echo $NVIDIA_VISIBLE_DEVICES $AMD_VISIBLE_DEVICES'
    const { lines } = await rig.run({ steps: [{ run }], spec: { image: IMAGE } })

    expect(texts(lines)).toEqual(['void void'])
  })

  test('that leases one of AMD is told of it alone, and of none of NVIDIA', async () => {
    const names = '$HIP_VISIBLE_DEVICES $NVIDIA_VISIBLE_DEVICES $AMD_VISIBLE_DEVICES'
    const gpus = [leased('amd', '0000:63:00.0', LEASED)]
    const { lines } = await rig.run({
      steps: [{ run: `echo ${names}` }],
      spec: { image: IMAGE },
      gpus
    })

    expect(texts(lines)).toEqual(['0 void void'])
  })

  test("whose GPU the engine has no driver for goes back, by the engine's own words", async () => {
    const gpu = leased('nvidia', 'GPU-00000000-0000-0000-0000-000000000000', '/dev/nvidia0')
    const { result, lines } = await rig.run({ steps: [{ run: 'echo ran' }], gpus: [gpu] })

    expect(result).toMatchObject({
      kind: 'interrupted',
      reason: 'sandbox_failed',
      userCodeRan: false,
      fault: 'job',
      message: expect.stringMatching(/could not select device driver "nvidia"/),
      left: undefined
    })
    expect(texts(lines)).toEqual([])
    expect(doubt).toHaveBeenCalledExactlyOnceWith(
      gpu.device.id,
      expect.stringMatching(/^the engine could not give it to a container: .*device driver/)
    )
  })

  test("whose GPU's node goes before the start goes back, and that one GPU is doubted", async () => {
    const gpus = [leased('intel', '0000:4d:00.0', LEASED), leased('intel', '0000:8d:00.0', GONE)]
    const { result } = await rig.run({ steps: [{ run: 'echo ran' }], gpus })

    expect(result).toMatchObject({
      kind: 'interrupted',
      userCodeRan: false,
      fault: 'job',
      message: expect.stringMatching(/error gathering device information.*renderD4092/),
      left: undefined
    })
    expect(doubt.mock.calls.map(([id]) => id)).toEqual(['intel:0000:8d:00.0'])
    expect(await rig.left()).toEqual([])
  })

  test('whose GPU another agent of the engine has given away goes back before it starts', async () => {
    const theirs = leased('intel', '0000:4d:00.0', LEASED)
    const name = `runner-mesh-test-neighbour-${process.pid}`
    const label = `runner-mesh.gpu=${theirs.device.id}`
    const place = ['--label', label, '--label', 'runner-mesh.peer=another', '--network', 'none']
    execFileSync('docker', ['run', '-d', '--name', name, ...place, IMAGE, 'sleep', '600'])
    try {
      const { result, lines } = await rig.run({ steps: [{ run: 'echo ran' }], gpus: [theirs] })

      expect(result).toMatchObject({
        kind: 'interrupted',
        userCodeRan: false,
        fault: 'job',
        message: expect.stringContaining(`the container ${name} of this engine`),
        left: undefined
      })
      expect(texts(lines)).toEqual([])
      expect(doubt.mock.calls.map(([id]) => id)).toEqual([theirs.device.id])
    } finally {
      execFileSync('docker', ['rm', '-f', name])
    }
    const { lines } = await rig.run({ steps: [{ run: 'echo ran' }], gpus: [theirs] })
    expect(texts(lines)).toEqual(['ran'])
  })
})
