import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { OwnedContainer } from '../../../../agent/execute/engine-types.ts'
import { readCdiNodes } from '../../../../agent/execute/gpu/cdi-spec.ts'
import { isToolkitSafe, toolkitVersion } from '../../../../agent/execute/gpu/container-toolkit.ts'
import { type GpuEngine, GpuPassage } from '../../../../agent/execute/gpu/gpu-passage.ts'
import { PassableGpus } from '../../../../agent/execute/gpu/passable-gpus.ts'
import type { ToolAnswer } from '../../../../agent/probe/gpu/tools.ts'
import { uuid } from '../../../support/gpu-host.ts'
import { intelHost, nvidiaHost, toolkit } from '../../../support/gpu-hosts.ts'
import { temporaryFolder } from '../../../support/store-folder.ts'

const ENGINE: GpuEngine = { cdiDevices: [], cdiFolders: [], security: new Set(), rootDir: '/' }

function tools(said: Readonly<Record<string, string | 'hangs'>>) {
  return async (name: string): Promise<ToolAnswer> => {
    const text = said[name]
    if (text === undefined) return { kind: 'absent' }
    if (text === 'hangs') return { kind: 'failed', cause: 'did not end within 10 s' }
    return { kind: 'said', code: 0, text, beside: '' }
  }
}

test.each<[Readonly<Record<string, string>>, string | undefined]>([
  [{}, undefined],
  [{ 'nvidia-ctk': 'NVIDIA Container Toolkit CLI version 1.17.8\ncommit: f202b80\n' }, '1.17.8'],
  [{ 'nvidia-container-cli': 'cli-version: 1.16.2\nlib-version: 1.16.2\n' }, '1.16.2'],
  [
    {
      'nvidia-ctk': 'NVIDIA Container Toolkit CLI version 1.18.0',
      'nvidia-container-runtime': 'NVIDIA Container Runtime version 1.9.0\nrunc version 1.2.4'
    },
    '1.9.0'
  ],
  [{ 'nvidia-ctk': 'NVIDIA Container Toolkit CLI version 1.18.0-rc.1' }, '1.18.0-rc.1'],
  [{ 'nvidia-ctk': 'no such option' }, ''],
  [{ 'nvidia-ctk': 'hangs', 'nvidia-container-cli': 'cli-version: 1.17.8' }, '']
])('of the toolkit that says %j the oldest program counts: %s', async (said, version) => {
  expect(await toolkitVersion(tools(said))).toBe(version)
})

test('a version is compared by its numbers, and what comes before one is below it', () => {
  const safe = ['1.17.8', '1.17.10', '1.18.0-rc.1', '1.100.0', '2.0.0'].filter(isToolkitSafe)
  expect(safe).toEqual(['1.17.8', '1.17.10', '1.18.0-rc.1', '1.100.0', '2.0.0'])
  expect(['', '1.17.8-rc.2', '1.9.9', '0.99.0', undefined].some(isToolkitSafe)).toBe(false)
})

const node = (path: string, more = {}) => ({ path, permissions: 'rw', ...more })
const edits = (...deviceNodes: readonly unknown[]) => ({ containerEdits: { deviceNodes } })
const hooks = [{ hookName: 'createContainer', path: '/usr/bin/amd-ctk' }]

test('of specs in JSON those devices are known that are nodes and nothing else', async () => {
  const folder = await temporaryFolder()
  const other = join(folder, 'run')
  await mkdir(other)
  const strange: readonly Record<string, unknown>[] = [
    { hostPath: '/dev/mem' },
    { permissions: 'rwm' },
    { permissions: undefined },
    // Whatever has these numbers, under the name of what is leased.
    { type: 'c', major: 226, minor: 129 },
    { uid: 0, gid: 44 },
    { fileMode: 438 }
  ]
  const devices = [
    { name: '0', ...edits(node('/dev/dri/renderD128')) },
    ...strange.map((more, index) => ({
      name: `strange-${index}`,
      ...edits(node('/dev/dri/renderD129', more))
    })),
    { name: '3', containerEdits: { ...edits(node('/dev/dri/renderD131')).containerEdits, hooks } },
    { name: '4', containerEdits: { env: [], deviceNodes: [node('/dev/dri/renderD132')] } }
  ]
  const spec = { cdiVersion: '0.6.0', kind: 'amd.com/gpu', ...edits(node('/dev/kfd')), devices }
  await writeFile(join(folder, 'amd.json'), JSON.stringify(spec))
  await writeFile(join(folder, 'torn.json'), '{"kind": "intel.com/gpu", "devices": [')
  await writeFile(join(folder, 'nvidia.yaml'), 'kind: nvidia.com/gpu\n')
  await mkdir(join(folder, 'folder.json'))
  const later = { kind: 'amd.com/gpu', devices: [{ name: '4', ...edits(node('/dev/x')) }] }
  await writeFile(join(other, 'amd.json'), JSON.stringify(later))

  expect(Object.fromEntries(await readCdiNodes([folder, other, join(folder, 'none')]))).toEqual({
    'amd.com/gpu=0': ['/dev/kfd', '/dev/dri/renderD128'],
    'amd.com/gpu=4': ['/dev/x']
  })
})

const PLAIN = {
  kind: 'amd.com/gpu',
  devices: [{ name: '0', ...edits(node('/dev/kfd'), node('/dev/dri/renderD128')) }]
}
const HOOKED = { ...PLAIN, containerEdits: { hooks } }

test.each<[string, string, string]>([
  ['another spec has its name with a hook', 'amd.json', JSON.stringify(HOOKED)],
  ['a spec in YAML is of its kind', 'amd.yaml', 'kind: "amd.com/gpu"\ndevices: []\n'],
  ['a spec is too large to be read', 'any.json', ' '.repeat(1_048_577)]
])('a device is not taken for what its spec says where %s', async (_why, name, text) => {
  const folder = await temporaryFolder()
  const later = join(folder, 'run')
  await mkdir(later)
  await writeFile(join(folder, 'amd.json'), JSON.stringify(PLAIN))
  expect((await readCdiNodes([folder, later])).size).toBe(1)

  await writeFile(join(later, name), text)
  expect((await readCdiNodes([folder, later])).size).toBe(0)
})

test('a GPU that no container can get is read as ill, with what would mend it', async () => {
  const host = await intelHost()
  const nodeAt = async () => ({ isDevice: true, gid: 0, mode: 0o660 })
  const passage = new GpuPassage({ run: tools({}), nodeAt })
  const gpus = new PassableGpus({ host: host.gpus(), engine: engineOf(ENGINE), ...passes(passage) })

  const { devices } = await gpus.read()
  expect(devices).toMatchObject([
    {
      health: 'unhealthy',
      reasons: [
        'it cannot be handed to a container: /dev/dri/renderD129 has mode 0660 and belongs to ' +
          'group 0: give it its own group'
      ]
    }
  ])
})

test('while the engine is away GPUs are as their drivers say', async () => {
  const host = await intelHost()
  const passage = new GpuPassage({ run: tools({}), nodeAt: async () => undefined })
  const info = () => Promise.reject(new Error('connection refused'))
  const gpus = new PassableGpus({
    host: host.gpus(),
    engine: { info, containers: async () => [] },
    ...passes(passage)
  })

  expect((await gpus.read()).devices).toMatchObject([{ health: 'ok' }])
})

test('an old toolkit is a warning, since trusted jobs get their GPU', async () => {
  const host = await nvidiaHost()
  await toolkit(host, '1.16.1')
  const said = { 'nvidia-ctk': 'NVIDIA Container Toolkit CLI version 1.16.1' }
  const passage = new GpuPassage({ run: tools(said), nodeAt: async () => undefined })
  const gpus = new PassableGpus({ host: host.gpus(), engine: engineOf(ENGINE), ...passes(passage) })

  const { devices, warnings, trustedOnly } = await gpus.read()
  expect(devices).toMatchObject([{ health: 'ok' }])
  expect(trustedOnly).toEqual(['nvidia'])
  expect(warnings).toEqual([
    "NVIDIA's container toolkit has version 1.16.1: untrusted jobs get no GPU before 1.17.8"
  ])
})

test.each<[string, Readonly<Record<string, string>>, readonly string[] | undefined]>([
  ['a new toolkit', { 'nvidia-ctk': 'NVIDIA Container Toolkit CLI version 1.17.8' }, undefined],
  ['names alone, and no toolkit that says its version', {}, ['nvidia']]
])('who may have a GPU is said before any claim, with %s', async (_what, said, guarded) => {
  const host = await nvidiaHost()
  const passage = new GpuPassage({ run: tools(said), nodeAt: async () => undefined })
  const named = { ...ENGINE, cdiDevices: [`nvidia.com/gpu=${uuid('0')}`] }
  const gpus = new PassableGpus({ host: host.gpus(), engine: engineOf(named), ...passes(passage) })

  const { devices, trustedOnly } = await gpus.read()
  expect(devices).toMatchObject([{ health: 'ok' }])
  expect(trustedOnly).toEqual(guarded)
})

test('a GPU that the container of another agent has is ill here, and told by its name', async () => {
  const host = await nvidiaHost()
  const said = { 'nvidia-ctk': 'NVIDIA Container Toolkit CLI version 1.17.8' }
  const passage = new GpuPassage({ run: tools(said), nodeAt: async () => undefined })
  const labels = { 'runner-mesh.peer': 'basalt', 'runner-mesh.gpu': `nvidia:${uuid('0')}` }
  const container = { name: 'of-basalt', id: '1', labels, running: true }
  const engine = engineOf(ENGINE, [container])
  const seenBy = async (peerId: string) => {
    return await new PassableGpus({ host: host.gpus(), engine, passage, peerId }).read()
  }

  expect((await seenBy('basalt')).devices).toMatchObject([{ health: 'ok' }])
  const reasons = ['the container of-basalt of another agent on this engine has it']
  expect((await seenBy('onyx')).devices).toMatchObject([{ health: 'unhealthy', reasons }])
})

function passes(passage: GpuPassage) {
  return { passage, peerId: 'onyx' }
}

function engineOf(engine: GpuEngine, containers: readonly OwnedContainer[] = []) {
  return { info: async () => engine as never, containers: async () => containers }
}
