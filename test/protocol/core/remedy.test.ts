import { expect, test } from 'vitest'
import { remedyFor } from '../../../protocol/core/remedy.ts'
import { fits } from '../../../protocol/core/requirements.ts'
import type { JobSpec } from '../../../protocol/core/run.ts'
import { SAMPLE_ORIGIN, sampleAd, sampleSpec } from '../../support/arbitrary-board.ts'

const GIB = 2 ** 30

function remedies(patch: Partial<JobSpec>, ad = sampleAd()): readonly string[] {
  const job = { spec: sampleSpec(patch), trust: 'trusted', origin: SAMPLE_ORIGIN } as const
  return fits(job, ad).map((unmet) => remedyFor(unmet, job, ad))
}

test('each thing that a host lacks has a way out that names the file and the host', () => {
  expect(remedies({ labels: { gpu: 'h100' } })).toEqual([
    'add the label gpu: h100 in agent.yaml of onyx, or relax `labels`'
  ])
  expect(remedies({ resources: { cpuMilli: 64_000, memoryBytes: GIB } })).toEqual([
    'ask for at most 4 in `resources`, or give it more in agent.yaml of onyx'
  ])
  expect(remedies({ builder: true })).toEqual(['set builder: offer in agent.yaml of onyx'])
  expect(remedies({ network: 'internet' })[0]).toMatch(/network.rules and network.offer of onyx/)
  expect(remedies({ gpu: { count: 1, vendor: 'amd' } })).toEqual([
    'ask for less in `resources.gpu`, or add a host that has gpu 1'
  ])
  expect(remedies({ isolation: 'vm' })[0]).toMatch(/set up a runtime on onyx/)
})

test('a job that forbids emulation is told that it could allow it', () => {
  const platform = 'linux/arm64'
  expect(remedies({ platform, emulation: 'forbid' })[0]).toMatch(/or `emulation: allow`$/)
  expect(remedies({ platform })[0]).toMatch(/or an emulator for it on onyx$/)
})

test('what an owner refuses is asked of the owner', () => {
  const lists = { repositories: [], refs: [], events: [], images: [], registries: [] }
  const policy = { ...lists, authors: ['nobody'], pinned: false, trustedOnly: false }
  expect(remedies({}, sampleAd({ policy }))).toEqual([
    'ask the owner of onyx: policy in its agent.yaml refuses author lena'
  ])
})
