import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { NetworkAbility, NetworkPolicy } from '../../../protocol/core/network.ts'
import {
  fits,
  hasRoom,
  lacksRoom,
  platformFor,
  type Wanted
} from '../../../protocol/core/requirements.ts'
import type { JobSpec } from '../../../protocol/core/run.ts'
import {
  arbitraryAgents,
  arbitrarySpec,
  GIB,
  SAMPLE_ORIGIN,
  sampleAd,
  sampleSpec
} from '../../support/arbitrary-board.ts'

const trusted = (patch: Partial<JobSpec> = {}): Wanted => {
  return { spec: sampleSpec(patch), trust: 'trusted', origin: SAMPLE_ORIGIN }
}
test('a network that the host does not enforce is unmet, whatever else it offers', () => {
  const wants = (network: NetworkPolicy) => trusted({ network })
  const offers = (...networks: NetworkAbility[]) => sampleAd({ networks })

  expect(fits(wants('none'), offers())).toEqual([])
  expect(fits(wants('internet'), offers('internet'))).toEqual([])
  expect(fits(wants('internet'), offers())).toEqual([
    { requirement: 'enforced network', wanted: 'internet', offered: 'none' }
  ])
  expect(fits(wants({ allow: ['10.0.0.1:80'] }), offers('internet', 'open'))).toEqual([
    { requirement: 'enforced network', wanted: 'private', offered: 'internet, open' }
  ])
  const named = { allow: ['a.example:443'] }
  expect(fits(wants(named), offers('internet', 'names'))).toEqual([])
  expect(fits(wants(named), offers('internet'))).toEqual([
    { requirement: 'enforced network', wanted: 'names', offered: 'internet' }
  ])
  expect(fits(wants('audit'), offers())).toEqual([
    { requirement: 'enforced network', wanted: 'internet, names', offered: 'none' }
  ])
})

test('a job that needs nothing special fits an agent with room', () => {
  expect(fits(trusted(), sampleAd())).toEqual([])
  expect(lacksRoom(trusted(), sampleAd())).toEqual([])
})

test('every unmet requirement is named with what is wanted and what is offered', () => {
  const spec = sampleSpec({
    platform: 'linux/riscv64',
    resources: { cpuMilli: 64_000, memoryBytes: 512 * GIB, diskBytes: 41 * GIB },
    labels: { site: 'lab-2', gpu: 'h100' }
  })
  expect(fits(trusted(spec), sampleAd({ labels: { site: 'lab-1' } }))).toEqual([
    { requirement: 'platform', wanted: 'linux/riscv64', offered: 'linux/amd64' },
    { requirement: 'cpu', wanted: '64', offered: '4' },
    { requirement: 'memory', wanted: '512GiB', offered: '8GiB' },
    { requirement: 'disk', wanted: '41GiB', offered: '40GiB' },
    { requirement: 'label site', wanted: 'lab-2', offered: 'lab-1' },
    { requirement: 'label gpu', wanted: 'h100', offered: 'none' }
  ])
})

test('an agent fits by its capacity; what is taken now only lacks room', () => {
  const busy = sampleAd({ free: { cpuMilli: 500, memoryBytes: GIB / 2, diskBytes: GIB, jobs: 0 } })
  expect(fits(trusted(), busy)).toEqual([])
  expect(lacksRoom(trusted(), busy)).toEqual([
    { requirement: 'free slot', wanted: '1', offered: '0' },
    { requirement: 'free cpu', wanted: '1', offered: '0.5' },
    { requirement: 'free memory', wanted: '1GiB', offered: '512MiB' },
    { requirement: 'free disk', wanted: '10GiB', offered: '1GiB' }
  ])
})

test('exactly enough is enough', () => {
  const { capacity } = sampleAd()
  const { cpuMilli, memoryBytes, diskBytes } = capacity
  const resources = { cpuMilli, memoryBytes, diskBytes }
  expect(fits(trusted({ resources }), sampleAd())).toEqual([])
})

test('a job without a platform takes a native one only', () => {
  const emulated = sampleAd({ platforms: [{ name: 'linux/arm64', native: false }] })
  expect(fits(trusted(), emulated)).toEqual([
    { requirement: 'platform', wanted: 'any native', offered: 'linux/arm64 (emulated)' }
  ])
  expect(fits(trusted(), sampleAd({ platforms: [] }))[0]?.offered).toBe('none')
})

test('a native platform is chosen before an emulated one', () => {
  const platforms = [
    { name: 'linux/arm64', native: false },
    { name: 'linux/arm64/v8', native: true }
  ]
  const wish = { platform: 'linux/arm64', emulation: 'allow' } as const
  expect(platformFor(wish, platforms)?.name).toBe('linux/arm64/v8')
})

test('a job that forbids emulation fits where its platform is native, and only there', () => {
  const job = (emulation: 'allow' | 'forbid') => trusted({ platform: 'linux/arm64', emulation })
  const offer = (native: boolean) => sampleAd({ platforms: [{ name: 'linux/arm64', native }] })

  expect(fits(job('forbid'), offer(true))).toEqual([])
  expect(fits(job('allow'), offer(false))).toEqual([])
  expect(fits(job('forbid'), offer(false))).toEqual([
    {
      requirement: 'platform',
      wanted: 'linux/arm64 without emulation',
      offered: 'linux/arm64 (emulated)'
    }
  ])
})

test('a label named like an object property must be offered like any other', () => {
  const spec = sampleSpec({ labels: { constructor: 'x' } })
  expect(fits(trusted(spec), sampleAd())).toHaveLength(1)
  expect(fits(trusted(spec), sampleAd({ labels: { constructor: 'x' } }))).toEqual([])
})

test('a job with services and a network does not fit where a holder has the network', () => {
  const ready = { port: undefined, command: undefined, timeoutMs: 1_000 }
  const common = { env: {}, secrets: [], command: undefined, ready }
  const resources = { cpuMilli: 1, memoryBytes: 1 }
  const services = [{ name: 'db', image: 'db', resources, ...common }]
  const ad = (networkRules: 'holder' | 'nft') =>
    sampleAd({ networks: ['internet', 'names'], networkRules })

  const wish = sampleSpec({ services, network: 'internet' })
  expect(fits(trusted(wish), ad('holder'))).toEqual([
    {
      requirement: 'enforced network',
      wanted: 'one that a job shares with its services',
      offered: 'one for the job alone (holder)'
    }
  ])
  expect(fits(trusted(wish), ad('nft'))).toEqual([])
  expect(fits(trusted(sampleSpec({ services, network: 'none' })), ad('holder'))).toEqual([])
  expect(fits(trusted(sampleSpec({ network: 'internet' })), ad('holder'))).toEqual([])
})

test('asking for less never lacks more', () => {
  fc.assert(
    fc.property(arbitrarySpec, arbitraryAgents, (spec, agents) => {
      const labels = Object.fromEntries(Object.entries(spec.labels).slice(1))
      const resources = { ...spec.resources, cpuMilli: Math.floor(spec.resources.cpuMilli / 2) }
      for (const { advertisement } of agents) {
        const before = fits(trusted(spec), advertisement).map((unmet) => unmet.requirement)
        const after = fits(trusted({ ...spec, labels, resources }), advertisement)
        for (const { requirement } of after) expect(before).toContain(requirement)
      }
    })
  )
})

test('an untrusted job fits only where the isolation is what the owner wants for such', () => {
  const isolation = { offered: 'runc', required: 'userns' } as const
  expect(fits({ ...trusted(), trust: 'untrusted' }, sampleAd({ isolation }))).toEqual([
    {
      requirement: 'isolation',
      wanted: "userns (asked of untrusted jobs by the agent's owner)",
      offered: 'runc'
    }
  ])
  expect(fits(trusted(), sampleAd({ isolation }))).toEqual([])
  expect(fits({ ...trusted(), trust: 'untrusted' }, sampleAd())).toEqual([])
})

test('a job goes only where its level is, and is told what is there instead', () => {
  const job = trusted({ isolation: 'gvisor' })
  const isolation = { offered: 'runc', levels: ['gvisor'], required: undefined } as const
  expect(fits(job, sampleAd({ isolation }))).toEqual([])
  expect(fits(job, sampleAd())).toEqual([
    { requirement: 'isolation', wanted: 'gvisor', offered: 'runc' }
  ])
  const networked = trusted({ isolation: 'gvisor', network: 'internet' })
  expect(fits(networked, sampleAd({ isolation, networks: ['internet'] }))).toEqual([
    {
      requirement: 'isolation',
      wanted: 'gvisor with a network',
      offered: 'runc; without a network also gvisor'
    }
  ])
})

test("a runtime with a kernel of its own runs the host's own platform alone", () => {
  const isolation = { offered: 'runc', levels: ['gvisor'], required: undefined } as const
  const platforms = [
    { name: 'linux/amd64', native: true },
    { name: 'linux/386', native: true },
    { name: 'linux/arm64/v8', native: false }
  ]
  const on = (platform: string) =>
    fits(trusted({ isolation: 'gvisor', platform }), sampleAd({ isolation, platforms }))
  expect(on('linux/amd64')).toEqual([])
  expect(on('linux/386')).toMatchObject([{ requirement: 'platform' }])
  expect(on('linux/arm64')).toEqual([
    {
      requirement: 'platform',
      wanted: 'linux/arm64/v8 in gvisor',
      offered: 'linux/amd64 in gvisor'
    }
  ])
})

test('a job that starts containers waits for a label that only a trial gives', () => {
  const job = trusted({ labels: { docker: 'dind' } })
  expect(fits(job, sampleAd())).toEqual([
    { requirement: 'label docker', wanted: 'dind', offered: 'none' }
  ])
  // A label alone, from an agent that lies or errs, is not believed without its level.
  expect(fits(job, sampleAd({ labels: { docker: 'dind' } }))).toMatchObject([
    { requirement: 'isolation', wanted: 'an engine inside' }
  ])
  const isolation = { offered: 'runc', levels: ['vm'], required: undefined } as const
  expect(fits(job, sampleAd({ labels: { docker: 'dind' }, isolation }))).toEqual([])
})

test('a trusted job that builds images fits only where that is offered', () => {
  const job = trusted(sampleSpec({ builder: true }))
  expect(fits(job, sampleAd())).toEqual([
    { requirement: 'builder', wanted: 'images built in a user namespace', offered: 'none' }
  ])
  expect(fits(job, sampleAd({ builder: true }))).toEqual([])
  expect(fits(trusted(), sampleAd({ builder: true }))).toEqual([])
})

test('an untrusted job that builds images waits for no host: whoever comes first refuses it', () => {
  const job = { ...trusted({ builder: true }), trust: 'untrusted' } as const
  expect(fits(job, sampleAd())).toEqual([])
})

test('there is room exactly where none is lacking', () => {
  fc.assert(
    fc.property(arbitrarySpec, arbitraryAgents, (spec, agents) => {
      for (const { advertisement } of agents) {
        const job = { spec, trust: 'trusted' as const }
        expect(hasRoom(job, advertisement)).toBe(lacksRoom(job, advertisement).length === 0)
      }
    })
  )
})
