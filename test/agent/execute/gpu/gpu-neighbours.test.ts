import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { OwnedContainer } from '../../../../agent/execute/engine-types.ts'
import { mustBeAlone, takenElsewhere } from '../../../../agent/execute/gpu/gpu-neighbours.ts'
import { codeOf } from '../../../../protocol/core/errors.ts'
import { GPU_WHOLE } from '../../../../protocol/core/gpu-request-limits.ts'

const GPU = 'nvidia:GPU-1'
const OWN = { name: 'own', id: 'bb', peer: 'onyx', gpu: GPU, madeAtS: 100, state: 'created' }

function container(more: Partial<typeof OWN> & { readonly parent?: string } = {}): OwnedContainer {
  const { name, id, peer, gpu, madeAtS, state, parent } = { parent: undefined, ...OWN, ...more }
  const labels = {
    'runner-mesh.peer': peer,
    'runner-mesh.gpu': gpu,
    ...(parent === undefined ? {} : { 'runner-mesh.gpu-parent': `${gpu}=${parent}` })
  }
  return { name, id, labels, madeAtS, running: state === 'running', created: state === 'created' }
}

async function verdict(own: OwnedContainer, others: readonly OwnedContainer[]) {
  const engine = { containers: async () => [...others, own] }
  return await mustBeAlone(engine, 'J.0', { Labels: own.labels }, own.id).then(
    () => 'alone',
    (error: unknown) =>
      `${codeOf(error)} ${String(error).includes('container other') ? 'other' : ''}`
  )
}

const other = (more: Parameters<typeof container>[0]) =>
  container({ name: 'other', id: 'aa', peer: 'basalt', ...more })

test.each<[string, Parameters<typeof container>[0], string]>([
  ['runs', { state: 'running' }, 'GPU_TAKEN other'],
  ['runs and was made later', { state: 'running', madeAtS: 101 }, 'GPU_TAKEN other'],
  ['was made before and not started', { madeAtS: 99 }, 'GPU_TAKEN other'],
  ['was made in the same second, with a lower id', {}, 'GPU_TAKEN other'],
  ['was made in the same second, with a higher id', { id: 'cc' }, 'alone'],
  ['was made later and not started', { madeAtS: 101 }, 'alone'],
  ['has ended', { state: 'exited', madeAtS: 99 }, 'alone'],
  ['has another GPU', { state: 'running', gpu: 'nvidia:GPU-2' }, 'alone'],
  ['has no id of a GPU', { state: 'running', gpu: 'GPU-1' }, 'alone'],
  ['has a part of it', { state: 'running', gpu: 'nvidia:MIG-1', parent: GPU }, 'GPU_TAKEN other'],
  ['has a share of it', { state: 'running', gpu: `${GPU}=1` }, 'GPU_TAKEN other'],
  ['has what cannot be read of it', { state: 'running', gpu: `${GPU}=x` }, 'GPU_TAKEN other'],
  ['is of the same agent', { state: 'running', peer: 'onyx' }, 'GPU_TAKEN other']
])('beside a container that %s', async (_what, more, expected) => {
  expect(await verdict(container(), [other(more)])).toBe(expected)
})

test('shares of several agents add up to no more than a whole', async () => {
  const quarter = `${GPU}=${GPU_WHOLE / 4}`
  const own = container({ gpu: quarter })
  const three = ['a1', 'a2', 'a3'].map((id) => other({ id, gpu: quarter, state: 'running' }))
  expect(await verdict(own, three)).toBe('alone')
  const four = [...three, other({ id: 'a4', gpu: quarter, state: 'running' })]
  expect(await verdict(own, four)).toBe('GPU_TAKEN other')
})

test('of containers made at once, by however many agents, exactly one starts', async () => {
  const made = fc.uniqueArray(
    fc.record({ id: fc.stringMatching(/^[0-9a-f]{4}$/), madeAtS: fc.integer({ min: 1, max: 3 }) }),
    { minLength: 1, maxLength: 6, selector: ({ id }) => id }
  )
  await fc.assert(
    fc.asyncProperty(made, async (drawn) => {
      const all = drawn.map((each) => container(each))
      const verdicts = await Promise.all(
        all.map((own) =>
          verdict(
            own,
            all.filter((each) => each !== own)
          )
        )
      )
      expect(verdicts.filter((each) => each === 'alone')).toHaveLength(1)
    })
  )
})

test('what another agent has is known at each reading, what one of ours has is not ill', () => {
  const gpu = { id: GPU, parent: undefined }
  const running = (more: Parameters<typeof container>[0]) => other({ state: 'running', ...more })
  expect(takenElsewhere(gpu, [running({})], 'onyx')).toBe('other')
  expect(takenElsewhere(gpu, [running({ peer: 'onyx' })], 'onyx')).toBeUndefined()
  expect(takenElsewhere(gpu, [other({})], 'onyx')).toBeUndefined()
  const half = { gpu: `${GPU}=${GPU_WHOLE / 2}` }
  expect(takenElsewhere(gpu, [running(half)], 'onyx')).toBeUndefined()
  expect(takenElsewhere(gpu, [running(half), running({ ...half, id: 'ab' })], 'onyx')).toBe('other')
})
