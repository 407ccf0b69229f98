import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  ASKED_LEVELS,
  containsEngines,
  formatIsolation,
  ISOLATION_LEVELS,
  type Isolation,
  type IsolationLevel,
  type IsolationWish,
  isolationFor
} from '../../../protocol/core/isolation.ts'

const rank = (level: IsolationLevel): number => ISOLATION_LEVELS.indexOf(level)

const wish = (patch: Partial<IsolationWish['spec']> = {}): IsolationWish => {
  return { trust: 'untrusted', spec: { network: 'none', labels: {}, ...patch } }
}

test.each([
  ['runc', [], undefined, undefined, 'runc by engine'],
  ['runc', [], 'userns', undefined, 'owner wants userns'],
  ['userns', [], 'userns', undefined, 'userns by engine'],
  ['userns', [], 'gvisor', undefined, 'owner wants gvisor'],
  ['runc', ['gvisor'], undefined, undefined, 'runc by engine'],
  ['runc', ['gvisor'], 'gvisor', undefined, 'gvisor by runtime'],
  ['runc', ['gvisor'], 'userns', undefined, 'gvisor by runtime'],
  ['runc', ['gvisor'], 'vm', undefined, 'owner wants vm'],
  ['runc', ['gvisor', 'vm'], 'vm', undefined, 'vm by runtime'],
  ['runc', ['gvisor', 'vm'], undefined, 'gvisor', 'gvisor by runtime'],
  ['runc', [], undefined, 'gvisor', 'job wants gvisor'],
  ['userns', ['gvisor'], 'userns', 'gvisor', 'gvisor by runtime'],
  ['userns', ['vm'], 'vm', 'userns', 'vm by runtime'],
  ['userns', ['gvisor'], undefined, 'userns', 'userns by engine']
] as const)(
  'untrusted, on %s with %j, where the owner requires %s and the job %s: %s',
  (offered, levels, required, isolation, expected) => {
    const granted = isolationFor(wish({ isolation }), { offered, levels, required })
    const said =
      granted.kind === 'granted'
        ? `${granted.level} by ${granted.by}`
        : `${granted.asker} wants ${granted.least}`
    expect(said).toBe(expected)
  }
)

test("an owner's wish for strangers is nothing to trusted jobs; their own word is", () => {
  const isolation = { offered: 'runc', required: 'vm' } as const
  const { spec } = wish()
  expect(isolationFor({ trust: 'trusted', spec }, isolation)).toMatchObject({ level: 'runc' })
  const asking = { ...spec, isolation: 'vm' } as const
  expect(isolationFor({ trust: 'trusted', spec: asking }, isolation)).toMatchObject({
    kind: 'lacking',
    asker: 'job'
  })
})

test('what a runtime gives is for jobs without a GPU, and that is said before any claim', () => {
  const isolation = { offered: 'runc', levels: ['gvisor', 'vm'], required: 'gvisor' } as const
  const gpu = { count: 1 }
  const barred = { kind: 'lacking', barredBy: 'GPU' }
  expect(isolationFor(wish({ gpu }), isolation)).toMatchObject(barred)
  expect(isolationFor(wish({ gpu, isolation: 'vm' }), isolation)).toMatchObject(barred)
  const trusted = { trust: 'trusted', spec: wish({ gpu }).spec } as const
  expect(isolationFor(trusted, isolation)).toMatchObject({ level: 'runc', by: 'engine' })
})

test('what a runtime gives is for jobs without a network, and that is said', () => {
  const isolation = { offered: 'userns', levels: ['gvisor'], required: undefined } as const
  const lacking = isolationFor(wish({ isolation: 'gvisor', network: 'internet' }), isolation)
  expect(lacking).toMatchObject({ kind: 'lacking', barredBy: 'network' })
  // What the engine gives has the network that the host enforces.
  const granted = isolationFor(wish({ isolation: 'userns', network: 'internet' }), isolation)
  expect(granted).toEqual({ kind: 'granted', level: 'userns', by: 'engine' })
})

test('a builder of images is for the plain runtime: no trial has shown one in another', () => {
  const isolation = { offered: 'userns', levels: ['gvisor'], required: undefined } as const
  const lacking = isolationFor(wish({ isolation: 'gvisor', builder: true }), isolation)
  expect(lacking).toMatchObject({ kind: 'lacking', barredBy: 'builder' })
  const granted = isolationFor(wish({ isolation: 'userns', builder: true }), isolation)
  expect(granted).toMatchObject({ by: 'engine' })
})

test('a runtime gives nothing to a job with services, which it reaches by a network', () => {
  const isolation = { offered: 'runc', levels: ['gvisor'], required: undefined } as const
  const service = {
    name: 'db',
    image: 'db:1',
    env: {},
    secrets: [],
    command: [],
    resources: { cpuMilli: 1_000, memoryBytes: 1 },
    ready: { port: undefined, command: [], timeoutMs: 1_000 }
  }
  const job = wish({ isolation: 'gvisor', services: [service] })
  expect(isolationFor(job, isolation)).toMatchObject({ kind: 'lacking', barredBy: 'network' })
})

test('an engine inside is for runtimes that contain one, never for the plain one or gVisor', () => {
  const job = wish({ labels: { docker: 'dind' } })
  const on = (...levels: IsolationLevel[]) =>
    isolationFor(job, { offered: 'userns', levels, required: undefined })
  expect(on()).toMatchObject({ kind: 'lacking' })
  expect(on('gvisor')).toMatchObject({ kind: 'lacking' })
  expect(on('userns', 'gvisor')).toEqual({ kind: 'granted', level: 'userns', by: 'runtime' })
  expect(on('gvisor', 'vm')).toEqual({ kind: 'granted', level: 'vm', by: 'runtime' })
  const hosts = [[], ['gvisor'], ['vm']] as const
  expect(hosts.map((shown) => containsEngines({ levels: shown }))).toEqual([false, false, true])
})

const levels = fc.constantFrom(...ISOLATION_LEVELS)
const isolations: fc.Arbitrary<Isolation> = fc.record({
  offered: levels,
  levels: fc.option(fc.subarray([...ISOLATION_LEVELS]), { nil: undefined }),
  required: fc.option(levels, { nil: undefined })
})
const wishes: fc.Arbitrary<IsolationWish> = fc.record({
  trust: fc.constantFrom('trusted', 'untrusted'),
  spec: fc.record({
    isolation: fc.option(fc.constantFrom(...ASKED_LEVELS), { nil: undefined }),
    network: fc.constantFrom('none', 'internet', 'open'),
    builder: fc.boolean(),
    labels: fc.constantFrom({}, { docker: 'dind' }, { docker: 'other' })
  })
})

test('nobody gets less than was asked, nor what the host does not have', () => {
  fc.assert(
    fc.property(wishes, isolations, (job, isolation) => {
      const granted = isolationFor(job, isolation)
      if (granted.kind === 'lacking') return
      const { level, by } = granted
      expect(rank(level)).toBeGreaterThanOrEqual(rank(job.spec.isolation ?? 'runc'))
      if (job.trust === 'untrusted') {
        expect(rank(level)).toBeGreaterThanOrEqual(rank(isolation.required ?? 'runc'))
      }
      const has = by === 'engine' ? [isolation.offered] : (isolation.levels ?? [])
      expect(has).toContain(level)
      if (by === 'runtime') {
        expect([job.spec.network, job.spec.builder]).toEqual(['none', false])
      }
      if (job.spec.labels['docker'] === 'dind') expect(by).toBe('runtime')
    })
  )
})

test('more on a host, or less asked of it, never takes a job away from it', () => {
  fc.assert(
    fc.property(wishes, isolations, levels, (job, isolation, more) => {
      if (isolationFor(job, isolation).kind === 'lacking') return
      const richer = { ...isolation, levels: [...(isolation.levels ?? []), more] }
      expect(isolationFor(job, richer).kind).toBe('granted')
      const humbler = { ...job, spec: { ...job.spec, isolation: undefined } }
      expect(isolationFor(humbler, isolation).kind).toBe('granted')
      expect(isolationFor({ ...job, trust: 'trusted' }, isolation).kind).toBe('granted')
    })
  )
})

test('what a host gives is said with what it is for', () => {
  const required = undefined
  expect(formatIsolation({ offered: 'runc', required })).toBe('runc')
  expect(formatIsolation({ offered: 'userns', levels: ['userns'], required })).toBe('userns')
  expect(formatIsolation({ offered: 'runc', levels: ['gvisor', 'vm'], required })).toBe(
    'runc; without a network also gvisor, vm'
  )
})
