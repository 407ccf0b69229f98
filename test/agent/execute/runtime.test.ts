import { expect, test } from 'vitest'
import { engineInfo, type InfoAnswer } from '../../../agent/execute/engine-info.ts'
import {
  classOf,
  type OfferedRuntime,
  plainRuntime,
  runtimeFor
} from '../../../agent/execute/runtime.ts'

test.each([
  ['runsc', '/usr/bin/runsc', 'gvisor'],
  ['safe', '/opt/gvisor/runsc', 'gvisor'],
  ['gvisor', 'io.containerd.runsc.v1', 'gvisor'],
  ['runsc', '', 'gvisor'],
  ['kata-runtime', '/usr/bin/kata-runtime', 'vm'],
  ['kata-fc', '/opt/kata/bin/containerd-shim-kata-v2', 'vm'],
  ['vm', 'io.containerd.kata.v2', 'vm'],
  ['sysbox-runc', '/usr/bin/sysbox-runc', 'sysbox'],
  ['runc', 'runc', undefined],
  ['crun', '/usr/bin/crun', undefined],
  ['nvidia', '/usr/bin/nvidia-container-runtime', undefined],
  ['io.containerd.runc.v2', 'runc', undefined]
])('a runtime %s that runs %s is taken for %s until it has shown it', (name, program, kind) => {
  expect(classOf({ name, program })).toBe(kind)
})

test('a job gets at least the level that it asks for, the weakest that will do, or none', () => {
  const gvisor: OfferedRuntime = { name: 'runsc', class: 'gvisor' }
  const vm: OfferedRuntime = { name: 'kata', class: 'vm' }
  const sysbox: OfferedRuntime = { name: 'sysbox-runc', class: 'sysbox' }
  const all = [vm, gvisor, sysbox]

  expect(runtimeFor('userns', all)).toBe('sysbox-runc')
  expect(runtimeFor('gvisor', all)).toBe('runsc')
  expect(runtimeFor('vm', all)).toBe('kata')
  expect(runtimeFor('userns', [vm, gvisor])).toBe('runsc')
  expect(runtimeFor('gvisor', [sysbox, vm])).toBe('kata')
  expect(runtimeFor('gvisor', [sysbox])).toBeUndefined()
  expect(runtimeFor('vm', [gvisor, sysbox])).toBeUndefined()
  expect(runtimeFor('userns', [])).toBeUndefined()
})

test('a job that asks for none gets runc by name, where the engine knows that name', () => {
  const runtimes = [
    { name: 'nvidia', program: 'nvidia-container-runtime' },
    { name: 'runc', program: 'runc' }
  ]
  expect(plainRuntime(runtimes)).toBe('runc')
  expect(plainRuntime([{ name: 'crun', program: '/usr/bin/crun' }])).toBeUndefined()
})

test('what an engine says of its runtimes is read of each version, in one order', () => {
  const answer = (change: Partial<InfoAnswer>) =>
    engineInfo({ SecurityOptions: null, ...change } as InfoAnswer, { Version: '', ApiVersion: '' })
  const kata = { runtimeType: 'io.containerd.kata.v2' }
  const { runtimes, defaultRuntime } = answer({
    Runtimes: { runsc: { path: '/usr/bin/runsc' }, kata, empty: {} },
    DefaultRuntime: 'runsc'
  })

  expect(runtimes).toEqual([
    { name: 'empty', program: '' },
    { name: 'kata', program: 'io.containerd.kata.v2' },
    { name: 'runsc', program: '/usr/bin/runsc' }
  ])
  expect(defaultRuntime).toBe('runsc')
  expect(answer({})).toMatchObject({ runtimes: [], defaultRuntime: '' })
  expect(answer({ Runtimes: null })).toMatchObject({ runtimes: [] })
})

test('what an engine lists by name, and where it looks, is read of each version', () => {
  const answer = (change: Partial<InfoAnswer>) =>
    engineInfo({ SecurityOptions: null, ...change } as InfoAnswer, { Version: '', ApiVersion: '' })
  const DiscoveredDevices = [
    { Source: 'cdi', ID: 'nvidia.com/gpu=0' },
    { Source: 'other', ID: 'x' },
    { Source: 'cdi' }
  ]
  expect(answer({ DiscoveredDevices, CDISpecDirs: ['/etc/cdi'] })).toMatchObject({
    cdiDevices: ['nvidia.com/gpu=0'],
    cdiFolders: ['/etc/cdi']
  })
  expect(answer({})).toMatchObject({ cdiDevices: [], cdiFolders: [] })
  expect(answer({ DiscoveredDevices: null, CDISpecDirs: null })).toMatchObject({
    cdiDevices: [],
    cdiFolders: []
  })
})
