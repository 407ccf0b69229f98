import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FATAL_XIDS, KernelFaults } from '../../../../agent/probe/gpu/kernel-faults.ts'
import { KernelLog } from '../../../../agent/probe/gpu/kernel-log.ts'
import { GpuHostTree } from '../../../support/gpu-host.ts'

const BUS = '0000:3b:00.0'
const xid = (number: number): string => `NVRM: Xid (PCI:0000:3b:00): ${number}, pid=1, name=x`

test.each([...FATAL_XIDS])('Xid %i is a fault: %s', (number, what) => {
  const faults = new KernelFaults()
  expect(faults.take([xid(number)])).toBe(true)
  expect(faults.of(BUS)).toEqual([`Xid ${number}: ${what}`])
})

test.each([13, 31, 43, 45, 68, 109, 154, 99_999])('Xid %i is none of the GPU', (number) => {
  const faults = new KernelFaults()
  expect(faults.take([xid(number)])).toBe(false)
  expect(faults.of(BUS)).toEqual([])
})

test('the same Xid again is no news, and another one is', () => {
  const faults = new KernelFaults()
  expect([[xid(48)], [xid(48)], [xid(95)]].map((lines) => faults.take(lines))).toEqual([
    true,
    false,
    true
  ])
  expect(faults.of(BUS)).toHaveLength(2)
})

test.each(['NVRM: Xid (0000:3B:00): 79, x', 'NVRM: Xid (PCI:0000:3b:00.0): 79, x'])(
  '%s names the GPU as older and newer drivers do',
  (line) => {
    const faults = new KernelFaults()
    faults.take([line])
    expect(faults.of(BUS)).toHaveLength(1)
    expect(faults.of('0000:5e:00.0')).toEqual([])
  }
)

test('a driver that is loaded anew takes all Xids back, and no fault of others', () => {
  const faults = new KernelFaults()
  faults.take([xid(79), 'amdgpu 0000:63:00.0: amdgpu: device lost from bus!'])
  faults.take(['NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  580.65.06'])
  expect(faults.of(BUS)).toEqual([])
  expect(faults.of('0000:63:00.0')).toEqual(["it was lost from its bus, by the kernel's log"])

  faults.take(['[drm] Initialized amdgpu 3.57.0 for 0000:63:00.0 on minor 1'])
  expect(faults.of('0000:63:00.0')).toEqual([])
})

test('a fault is settled by the second word of the driver, and a new one is a fault again', () => {
  const faults = new KernelFaults()
  faults.take([xid(94)])
  faults.settle(BUS)
  expect(faults.of(BUS)).toHaveLength(1)
  faults.take([xid(94)])
  faults.settle(BUS)
  expect(faults.of(BUS)).toHaveLength(1)
  faults.settle(BUS)
  expect(faults.of(BUS)).toEqual([])
})

test("what somebody else than the kernel writes to its log is nobody's fault", async () => {
  const host = await GpuHostTree.make()
  await host.kernelLog([xid(79)], 1)
  const log = new KernelLog(host.root)
  expect(await log.read()).toEqual([])
  await log.close()
})

test('each record is read once, whatever follows it', async () => {
  const host = await GpuHostTree.make()
  const log = new KernelLog(host.root)
  expect(await log.read()).toEqual([])
  await host.kernelLog(['first'])
  expect(await log.read()).toEqual(['first'])
  expect(await log.read()).toEqual([])
  await host.file('dev/kmsg', '6,0,0,-;first\n6,1,1,-;second\n SUBSYSTEM=pci\n DEVICE=+pci:x\n6,2')
  expect(await log.read()).toEqual(['second'])
  await log.close()
})

test('no line of the log takes the reader down', () => {
  const lines = fc.array(
    fc.oneof(
      fc.string(),
      fc.string().map((text) => `NVRM: Xid (PCI:${text}`),
      fc.string().map((text) => `amdgpu 0000:63:00.0: ${text}`)
    )
  )
  fc.assert(
    fc.property(lines, (texts) => {
      const faults = new KernelFaults()
      faults.take(texts)
      expect(faults.of('0000:63:00.0')).toEqual([])
    })
  )
})
