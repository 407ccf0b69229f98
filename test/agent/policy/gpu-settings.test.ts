import { describe, expect, test } from 'vitest'
import { gpuSettingsSchema, gpuTermsOf } from '../../../agent/policy/gpu-settings.ts'

const ONE = 'nvidia:GPU-1'

test('an owner who says nothing shares nothing, and gives strangers none', () => {
  const settings = gpuSettingsSchema.parse(undefined)
  expect(settings).toEqual({ ignore: [], shares: {}, untrusted: 'refuse' })
  expect(gpuTermsOf(settings)).toBeUndefined()
})

test('what an owner says is what others are told', () => {
  const settings = gpuSettingsSchema.parse({ shares: { [ONE]: 4 }, untrusted: 'take' })
  expect(gpuTermsOf(settings)).toEqual({ shares: [{ id: ONE, slots: 4 }], untrusted: true })
})

test('whose GPUs strangers cannot have is told where its owner would give them', () => {
  const settings = gpuSettingsSchema.parse({ untrusted: 'take' })
  const told = { shares: [], untrusted: true, trustedOnly: ['nvidia'] }
  expect(gpuTermsOf(settings, ['nvidia'])).toEqual(told)
  expect(gpuTermsOf(gpuSettingsSchema.parse(undefined), ['nvidia'])).toBeUndefined()
})

describe('refused with the way out:', () => {
  test.each([
    ['an index', { ignore: ['0'] }, 'use an id as `agent status` shows it'],
    ['one job as a share', { shares: { [ONE]: 1 } }, '>=2'],
    ['more jobs than may share', { shares: { [ONE]: 17 } }, '<=16'],
    ['half a job', { shares: { [ONE]: 2.5 } }, 'int'],
    ['one that is ignored and shared', { ignore: [ONE], shares: { [ONE]: 2 } }, 'ignored as well'],
    ['another word on strangers', { untrusted: 'yes' }, 'take']
  ])('%s', (_name, settings, message) => {
    const parsed = gpuSettingsSchema.safeParse(settings)
    expect(parsed.success).toBe(false)
    expect(JSON.stringify(parsed.error?.issues)).toContain(message)
  })
})
