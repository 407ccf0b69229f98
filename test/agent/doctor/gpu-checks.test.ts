import { expect, test } from 'vitest'
import { checkGpus } from '../../../agent/doctor/gpu-checks.ts'
import { fakeNvidiaSmi } from '../../support/fake-nvidia-smi.ts'
import { GpuHostTree, uuid } from '../../support/gpu-host.ts'

test('the doctor names the GPUs that are well, those that are not, and what was warned of', async () => {
  const host = await GpuHostTree.make()
  await host.nvidia('0000:3b:00.0')
  await host.nvidia('0000:5e:00.0', { uuid: uuid('b'), minor: 1 })
  await host.pci('0000:01:00.0', { vendor: '0x10de', device: '0x2330', driver: 'nouveau' })
  const ill = { 'pci.bus_id': '00000000:5E:00.0', uuid: uuid('b'), gpu_recovery_action: 'Reset' }
  await fakeNvidiaSmi(host, { rows: [{}, ill] })

  const findings = await checkGpus(host.gpus())
  expect(findings.map(({ verdict, subject, code }) => [verdict, subject, code])).toEqual([
    ['ok', 'gpu', 'OK'],
    ['warning', 'gpu', 'HOST_GPU'],
    ['warning', 'gpu', 'HOST_GPU']
  ])
  expect(findings.map(({ found }) => found)).toEqual([
    `NVIDIA H100 80GB HBM3, nvidia:${uuid('0')}`,
    `NVIDIA H100 80GB HBM3 (nvidia:${uuid('b')}) takes no job: its driver wants a recovery: Reset`,
    "the NVIDIA device 0000:01:00.0 has the driver nouveau: jobs get it with NVIDIA's own alone"
  ])
})

test('a host without a GPU has nothing to be said of, and a reader that breaks is a warning', async () => {
  const host = await GpuHostTree.make()
  expect(await checkGpus(host.gpus())).toEqual([])

  const read = () => Promise.reject(new Error('a mistake'))
  const close = async () => undefined
  expect(await checkGpus({ read, close })).toMatchObject([
    { verdict: 'warning', found: 'not read: a mistake' }
  ])
})
