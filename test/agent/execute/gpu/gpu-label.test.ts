import fc from 'fast-check'
import { expect, test } from 'vitest'
import { leasedGpus } from '../../../../agent/claim/gpu-leases.ts'
import { GPU_LABEL, gpuLabels, heldByLabel } from '../../../../agent/execute/gpu/gpu-label.ts'
import type { GpuDevice } from '../../../../agent/probe/gpu/gpu-device.ts'
import { GPU_WHOLE } from '../../../../protocol/core/gpu-request-limits.ts'
import type { GpuHold } from '../../../../protocol/core/gpu-terms.ts'
import { A_GPU } from '../../../support/arbitrary-gpu-rooms.ts'

const device = ({ id, parent }: GpuHold): GpuDevice => ({ ...A_GPU, id, parent, nodes: [] })

const id = fc.stringMatching(/^(nvidia|amd|intel):[A-Za-z0-9][A-Za-z0-9./:_-]{0,9}$/)
const hold = fc
  .record({
    id,
    units: fc.integer({ min: 1, max: GPU_WHOLE }),
    parent: fc.option(id, { nil: undefined })
  })
  .map(({ parent, ...own }): GpuHold => {
    return parent === undefined || parent === own.id ? own : { ...own, parent }
  })
const holds = fc.uniqueArray(hold, { maxLength: 4, selector: (each) => each.id })

test('what a lease has of GPUs comes back from the label of its container, unit by unit', () => {
  fc.assert(
    fc.property(holds, (held) => {
      const leased = leasedGpus(
        held,
        held.map((hold) => device(hold))
      )
      expect(heldByLabel(gpuLabels(leased))).toEqual(held)
      // As an agent of before reads it: what it does not know of takes nothing from it.
      const { [GPU_LABEL]: known = '' } = gpuLabels(leased)
      const plain = held.map(({ id, units }) => ({ id, units }))
      expect(heldByLabel({ [GPU_LABEL]: known })).toEqual(plain)
    })
  )
})

test('a container without a GPU has no such label', () => {
  expect(gpuLabels([])).toEqual({})
  expect(gpuLabels()).toEqual({})
  expect(heldByLabel({})).toEqual([])
})

test('a share that cannot be read is all of its GPU, and what is no id is none', () => {
  const whole = [{ id: 'nvidia:GPU-1', units: GPU_WHOLE }]
  for (const text of [
    'nvidia:GPU-1',
    'nvidia:GPU-1=',
    'nvidia:GPU-1=0',
    'nvidia:GPU-1=-1,matrox:1'
  ]) {
    expect(heldByLabel({ [GPU_LABEL]: text })).toEqual(whole)
  }
})
