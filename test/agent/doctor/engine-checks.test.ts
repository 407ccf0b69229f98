import { expect, test } from 'vitest'
import { engineAdvice } from '../../../agent/doctor/engine-checks.ts'

const bridge = (icc: string) => ({
  name: 'bridge',
  options: { 'com.docker.network.bridge.enable_icc': icc }
})

const items = (found: ReturnType<typeof engineAdvice>): readonly string[] =>
  found.map(({ wanted }) => /CIS Docker (2\.\d+)/.exec(wanted)?.[1] ?? wanted)

test('an engine as it is installed is told what a benchmark would have otherwise', () => {
  const found = engineAdvice({ security: new Set(['seccomp']), liveRestore: false }, [
    bridge('true')
  ])

  expect(items(found)).toEqual(['2.2', '2.9', '2.14', '2.15'])
  expect(found.every(({ verdict, fix }) => verdict === 'note' && fix !== null)).toBe(true)
})

test('one without a filter of its own is told so as well', () => {
  const found = engineAdvice({ security: new Set(), liveRestore: true }, [bridge('false')])

  expect(items(found)).toEqual(['2.9', '2.14', '2.17'])
})

test('one that is as it should be is told nothing, with or without a default bridge', () => {
  for (const mapped of ['userns', 'rootless']) {
    const security = new Set(['seccomp', 'no-new-privileges', mapped])
    expect(engineAdvice({ security, liveRestore: true }, [bridge('false')])).toEqual([])
    expect(engineAdvice({ security, liveRestore: true }, [])).toEqual([])
  }
})
