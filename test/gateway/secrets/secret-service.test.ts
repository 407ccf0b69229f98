import { expect, test } from 'vitest'
import {
  type LeaseRead,
  SecretService,
  type SecretServiceParts
} from '../../../gateway/secrets/secret-service.ts'
import type { SecretRecord } from '../../../gateway/secrets/secret-store.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import { GIVEN_BEFORE } from '../../../protocol/core/given-runner.ts'
import type { Isolation, IsolationLevel } from '../../../protocol/core/isolation.ts'
import type { JobSpec, SealedAnnouncement } from '../../../protocol/core/run.ts'
import {
  SECRET_BYTES_MAX,
  SECRET_RELEASES_EVERY_MS,
  SECRET_RELEASES_MAX,
  SECRETS_PER_JOB_BYTES_MAX
} from '../../../protocol/core/secret-limits.ts'
import {
  readSourceAccess,
  SOURCE_ACCESS,
  type SourceAccess
} from '../../../protocol/core/source-access.ts'
import type { Trust } from '../../../protocol/core/trust.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import {
  decodeSecretsReply,
  encodeSecretsRequest,
  type SecretsRequest
} from '../../../protocol/wire/secrets-codec.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { claimed, completed, jobLife, sealedRun } from '../../support/run-life.ts'

const PIPELINE =
  'jobs: { build: { image: "debian:13", secrets: [NPM_TOKEN, OTHER], steps: [{ run: make }] } }\n'
const sealed = sealedRun(generateKey(), { commit: 'a'.repeat(40), pipeline: PIPELINE })
const JOB = `${sealed.announcement.runId}.0`
const CLAIM = '1'.repeat(32)
const HOLDER = generateKey().peerId
const held = jobLife(sealed, 0, [HOLDER, claimed(CLAIM)])

const record = (name: string, rules: Partial<SecretRecord> = {}): SecretRecord => ({
  ...{ repository: 'team/kernel', name, version: 1, events: ['push'], branches: [], images: [] },
  ...{ changedAt: '2026-01-01T00:00:00.000Z', sealed: '', ...rules }
})

interface Wish {
  readonly read?: LeaseRead | Error
  readonly records?: readonly SecretRecord[]
  readonly isAgent?: boolean
  readonly isOurs?: boolean
  readonly trust?: Trust
  readonly isolation?: IsolationLevel
  readonly offer?: Pick<Isolation, 'required' | 'levels'>
  readonly run?: SealedAnnouncement
  readonly opened?: (name: string) => string
  readonly configure?: SecretServiceParts['configure']
  readonly source?: () => Promise<SourceAccess | undefined>
}

function ofTrust(trust: Trust): SealedAnnouncement {
  const { announcement } = sealed
  const manifest = { ...announcement.manifest, trust }
  return { ...sealed, announcement: { ...announcement, manifest } }
}

function rig(wish: Wish = {}) {
  const read = wish.read ?? { kind: 'chosen', state: held, leaseRemainingMs: 9_000 }
  const said: string[] = []
  const note = (facts: object, text: string): void => void said.push(JSON.stringify([facts, text]))
  const values: Buffer[] = []
  const asked: string[] = []
  const clock = new FakeClock()
  const opened = wish.opened ?? ((name) => `value of ${name}`)
  const service = new SecretService({
    store: {
      list: async () => wish.records ?? [record('NPM_TOKEN'), record('OTHER')],
      value: async ({ name }) => {
        const value = Buffer.from(opened(name))
        values.push(value)
        return value
      }
    },
    isAgent: () => wish.isAgent ?? true,
    configure: wish.configure ?? (async () => undefined),
    sealedOf: () =>
      wish.isOurs === false ? undefined : (wish.run ?? ofTrust(wish.trust ?? 'trusted')),
    readJob: async () => {
      if (read instanceof Error) throw read
      return read
    },
    isolationOf: () =>
      wish.isolation && { offered: wish.isolation, required: undefined, ...wish.offer },
    sourceOf: async ({ name, url }) => {
      asked.push(`${name} ${url}`)
      return await wish.source?.()
    },
    onReleased: () => undefined,
    clock,
    log: { info: note, warn: note, error: note, debug: note } as never
  })
  return { service, said, values, clock, asked }
}

const asked: SecretsRequest = {
  ...{ job: JOB, epoch: 1, claimId: CLAIM, nonce: '2'.repeat(32), names: ['NPM_TOKEN'] }
}

async function reasonOf(wish: Wish, request: Partial<SecretsRequest> = {}, peer = HOLDER) {
  const reply = await rig(wish).service.answer(peer, { ...asked, ...request })
  return reply.kind === 'refused' ? reply.reason : reply.kind
}

test('the holder gets what it names, with its nonce, and the names are written down', async () => {
  const { service, said, values } = rig()
  const bytes = await service.handle(HOLDER, encodeSecretsRequest(asked))
  const reply = decodeSecretsReply(bytes)

  expect(reply).toMatchObject({ nonce: asked.nonce, kind: 'released' })
  const shown = reply.kind === 'released' ? reply.secrets : []
  expect(shown.map(({ name, value }) => [name, Buffer.from(value).toString()])).toEqual([
    ['NPM_TOKEN', 'value of NPM_TOKEN']
  ])
  expect(said).toEqual([
    JSON.stringify([{ job: JOB, epoch: 1, peer: HOLDER, names: 'NPM_TOKEN' }, 'secrets released'])
  ])
  // The gateway's own copy is erased once it is in the answer.
  expect(values.every((value) => value.every((byte) => byte === 0))).toBe(true)
})

test.each([
  ['another peer', {}, {}, generateKey().peerId],
  ['a member that is no agent', { isAgent: false }, {}, HOLDER],
  ['an earlier epoch', {}, { epoch: 2 }, HOLDER],
  ['another claim of the same peer', {}, { claimId: '3'.repeat(32) }, HOLDER]
])('%s is not the holder', async (_, wish, request, peer) => {
  expect(await reasonOf(wish, request, peer)).toBe('not_holder')
})

test('nor is one whose lease is over, has ended, or is of another announcement', async () => {
  const chosen = { kind: 'chosen', state: held, leaseRemainingMs: 9_000 } as const
  const ended = jobLife(sealed, 0, [HOLDER, claimed(CLAIM)], [HOLDER, completed({}, CLAIM)])

  expect(await reasonOf({ read: { ...chosen, leaseRemainingMs: 0 } })).toBe('not_holder')
  expect(await reasonOf({ read: { ...chosen, state: ended } })).toBe('not_holder')
  const other = { ...held, annHash: 'f'.repeat(64) }
  expect(await reasonOf({ read: { ...chosen, state: other } })).toBe('not_holder')
})

test('without a quorum, or of a run of another gateway, nothing is said either way', async () => {
  expect(await reasonOf({ read: { kind: 'unreachable' } })).toBe('unknown_job')
  expect(await reasonOf({ read: new Error('gone') })).toBe('unknown_job')
  expect(await reasonOf({ isOurs: false })).toBe('unknown_job')
  expect(await reasonOf({}, { job: `${sealed.announcement.runId}.7` })).toBe('unknown_job')
})

test('a name that the signed job does not have is refused, set or not', async () => {
  const records = [record('NPM_TOKEN'), record('DEPLOY_KEY')]
  expect(await reasonOf({ records }, { names: ['NPM_TOKEN', 'DEPLOY_KEY'] })).toBe('unnamed')
})

test('a secret that is unset, of another repository, or against its rules is refused', async () => {
  const only = (rules: Partial<SecretRecord>): Wish => ({ records: [record('NPM_TOKEN', rules)] })
  expect(await reasonOf({ records: [] })).toBe('unset')
  expect(await reasonOf(only({ repository: 'team/other' }))).toBe('unset')
  expect(await reasonOf(only({ branches: ['release/*'] }))).toBe('branch')
  expect(await reasonOf(only({ images: ['ghcr.io/*'] }))).toBe('image')
  expect(await reasonOf(only({ events: [] }))).toBe('event')
  expect(await reasonOf(only({ branches: ['main'], images: ['debian:13'] }))).toBe('released')
  expect(await reasonOf({ ...only({}), trust: 'untrusted' })).toBe('untrusted')
})

test('a secret for kept-apart jobs waits for what its host says, and takes its word', async () => {
  const records = [record('NPM_TOKEN', { isolation: 'gvisor' })]

  // Not heard yet, by a gateway that has just begun say: asked for again.
  expect(await reasonOf({ records })).toBe('unknown_job')
  expect(await reasonOf({ records, isolation: 'userns' })).toBe('isolation')
  expect(await reasonOf({ records, isolation: 'gvisor' })).toBe('released')
  expect(await reasonOf({ records, isolation: 'vm' })).toBe('released')
  expect(await reasonOf({ records: [record('NPM_TOKEN')] })).toBe('released')
})

test('a secret for kept-apart jobs goes to the job that asks for that, and not to others', async () => {
  const records = [record('NPM_TOKEN', { isolation: 'gvisor' })]
  const { announcement } = sealed
  const { manifest } = announcement
  const asking = (more: Partial<JobSpec>): SealedAnnouncement => {
    const jobs = manifest.jobs.map((job) => ({ ...job, ...more }))
    return { ...sealed, announcement: { ...announcement, manifest: { ...manifest, jobs } } }
  }
  const offer = { required: undefined, levels: ['gvisor'] } as const
  const common = { records, isolation: 'runc', offer } as const
  const kept = { isolation: 'gvisor', network: 'none' } as const

  expect(await reasonOf({ ...common, run: asking({ network: 'none' }) })).toBe('isolation')
  expect(await reasonOf({ ...common, run: asking(kept) })).toBe('released')
  // What no runtime gives there it does not get, whatever it asks for.
  expect(await reasonOf({ ...common, run: asking({ ...kept, network: 'internet' }) })).toBe(
    'isolation'
  )
  const without = { required: undefined }
  expect(await reasonOf({ ...common, offer: without, run: asking(kept) })).toBe('isolation')
})

test('a login is given for its own registry, and never as a variable', async () => {
  const registry = 'registry.example:5000'
  const asks = async (wanted: string | undefined, kept: string | undefined) => {
    const { announcement } = sealed
    const { jobs } = announcement.manifest
    const secrets = [{ name: 'NPM_TOKEN', file: undefined, registry: wanted }]
    const manifest = {
      ...announcement.manifest,
      jobs: jobs.map((job) => ({ ...job, secrets }))
    }
    const run = { ...sealed, announcement: { ...announcement, manifest } }
    return await reasonOf({ run, records: [record('NPM_TOKEN', { registry: kept })] })
  }

  expect(await asks(registry, registry)).toBe('released')
  expect(await asks(undefined, registry)).toBe('registry')
  expect(await asks('evil.example', registry)).toBe('registry')
  expect(await asks(registry, undefined)).toBe('registry')
})

test('an epoch gets its secrets so many times a minute, and a minute later again', async () => {
  const { service, said, clock } = rig()
  for (let times = 0; times < SECRET_RELEASES_MAX; times += 1) {
    expect((await service.answer(HOLDER, asked)).kind).toBe('released')
  }

  expect(await service.answer(HOLDER, asked)).toMatchObject({ reason: 'too_often' })
  await clock.advance(SECRET_RELEASES_EVERY_MS - 1)
  expect(await service.answer(HOLDER, asked)).toMatchObject({ reason: 'too_often' })
  await clock.advance(1)
  expect((await service.answer(HOLDER, asked)).kind).toBe('released')
  expect(said.join()).not.toContain('value of')
})

const both = { ...asked, names: ['NPM_TOKEN', 'OTHER'] }
const isErased = (value: Buffer): boolean => value.every((byte) => byte === 0)

test('values that were opened before another one is refused are erased', async () => {
  const { service, values } = rig({
    opened: (name) => {
      if (name === 'OTHER') throw new Error('no key')
      return 'hunter22'
    }
  })

  expect(await service.answer(HOLDER, both)).toMatchObject({ reason: 'unreadable' })
  expect(values.map(isErased)).toEqual([true])
})

test('values that are too large together are erased', async () => {
  const { service, values } = rig({
    opened: (name) => (name === 'OTHER' ? 'xxxx' : 'x'.repeat(SECRETS_PER_JOB_BYTES_MAX))
  })

  expect(await service.answer(HOLDER, both)).toMatchObject({ reason: 'too_large' })
  expect(values.map(isErased)).toEqual([true, true])
})

test('a value that cannot be sent is erased', async () => {
  const { service, values } = rig({ opened: () => 'x'.repeat(SECRET_BYTES_MAX + 1) })

  await expect(service.handle(HOLDER, encodeSecretsRequest(asked))).rejects.toThrow('value')
  expect(values.map(isErased)).toEqual([true])
})

const SOURCE = { names: [SOURCE_ACCESS] }
const PASSWORD: SourceAccess = { kind: 'password', user: 'git', password: 'hunter22' }
const gives = (access?: SourceAccess) => ({ source: () => Promise.resolve(access) })

test.each(['trusted', 'untrusted'] as const)(
  'the holder of a %s run gets at its source, and that is written down without the value',
  async (trust) => {
    const { service, said, asked: questions } = rig({ trust, ...gives(PASSWORD) })
    const reply = await service.answer(HOLDER, { ...asked, ...SOURCE })

    const value = reply.kind === 'released' ? reply.secrets[0]?.value : undefined
    expect(value && readSourceAccess(value)).toEqual(PASSWORD)
    const { repository, url } = sealed.announcement.manifest
    expect(questions).toEqual([`${repository} ${url}`])
    expect(said.join()).toContain(SOURCE_ACCESS)
    expect(said.join()).not.toContain('hunter22')
  }
)

test('nobody else does: not another peer, an earlier epoch, or together with a secret', async () => {
  const access = gives(PASSWORD)

  expect(await reasonOf(access, SOURCE, generateKey().peerId)).toBe('not_holder')
  expect(await reasonOf(access, { ...SOURCE, epoch: 2 })).toBe('not_holder')
  expect(await reasonOf({ ...access, isOurs: false }, SOURCE)).toBe('unknown_job')
  expect(await reasonOf(access, { names: [SOURCE_ACCESS, 'NPM_TOKEN'] })).toBe('unnamed')
})

test('a source that there is nothing for, or whose credential cannot be used, is refused', async () => {
  const broken = {
    source: () => Promise.reject(new MeshError('CREDENTIAL_UNKNOWN', { name: 'x' }))
  }

  expect(await reasonOf(gives(), SOURCE)).toBe('unset')
  expect(await reasonOf(broken, SOURCE)).toBe('unreadable')
})

test('a forge that does not answer is no refusal: the holder asks again', async () => {
  const facts = { host: 'forge.example', action: 'give a token', cause: 'ECONNREFUSED' }
  const away = { source: () => Promise.reject(new MeshError('FORGE_UNREACHABLE', facts)) }

  await expect(reasonOf(away, SOURCE)).rejects.toMatchObject({ code: 'FORGE_UNREACHABLE' })
})

test('a source counts among the releases of its attempt', async () => {
  const { service } = rig(gives(PASSWORD))
  const ask = () => service.answer(HOLDER, { ...asked, ...SOURCE })
  for (let count = 0; count < SECRET_RELEASES_MAX; count += 1) await ask()

  expect(await ask()).toMatchObject({ kind: 'refused', reason: 'too_often' })
})

/** A slot: what it names is made for it, and is in no store. */
function slotRun(): SealedAnnouncement {
  const { announcement } = sealed
  const { manifest } = announcement
  const secrets = [{ name: 'RUNNER_JITCONFIG', file: '/run/secrets/runner-jitconfig' }]
  const jobs = manifest.jobs.map((spec) => ({ ...spec, secrets, runner: { labels: ['linux'] } }))
  const strange = { ...manifest, jobs, trust: 'untrusted' as const }
  return { ...sealed, announcement: { ...announcement, manifest: strange } }
}

const runner = { names: ['RUNNER_JITCONFIG'] }

test('the holder of a slot gets what its runner is configured with, though it is not trusted', async () => {
  const asks: unknown[] = []
  const configure: SecretServiceParts['configure'] = async ({ job, epoch }) => {
    asks.push([job, epoch])
    return [{ name: 'RUNNER_JITCONFIG', value: Buffer.from('a blob') }]
  }
  const { service } = rig({ run: slotRun(), configure })

  const reply = await service.answer(HOLDER, { ...asked, ...runner })

  expect(reply).toMatchObject({ kind: 'released', secrets: [{ name: 'RUNNER_JITCONFIG' }] })
  expect(asks).toEqual([[JOB, 1]])
})

test('a slot gets none of the secrets of its repository, and nobody else its configuration', async () => {
  const configure = async () => [{ name: 'RUNNER_JITCONFIG', value: Buffer.from('a blob') }]
  const run = slotRun()

  expect(await reasonOf({ run, configure }, { names: ['NPM_TOKEN'] })).toBe('unnamed')
  const other = generateKey().peerId
  expect(await reasonOf({ run, configure }, runner, other)).toBe('not_holder')
  expect(await reasonOf({ run, configure }, { ...runner, epoch: 2 })).toBe('not_holder')
  expect(await reasonOf({ configure }, runner)).toBe('unnamed')
})

test('an agent that was restarted gets what its slot was given before, and nothing is made for it', async () => {
  const asks: boolean[] = []
  const configure: SecretServiceParts['configure'] = async ({ goesOn }) => {
    asks.push(goesOn)
    return [{ name: 'RUNNER_JITCONFIG', value: Buffer.from('a blob') }]
  }
  const { service } = rig({ run: slotRun(), configure })
  const names = [GIVEN_BEFORE, ...runner.names]

  const reply = await service.answer(HOLDER, { ...asked, names })
  await service.answer(HOLDER, { ...asked, ...runner })

  expect(reply).toMatchObject({ kind: 'released', secrets: [{ name: 'RUNNER_JITCONFIG' }] })
  expect(asks).toEqual([true, false])
})

test('what was given before is gone for good with the gateway that gave it, and no other job asks for it', async () => {
  const names = [GIVEN_BEFORE, ...runner.names]

  expect(await reasonOf({ run: slotRun() }, { names })).toBe('forgotten')
  expect(await reasonOf({}, { names: [GIVEN_BEFORE, 'NPM_TOKEN'] })).toBe('unnamed')
})

test('a slot that gets no runner is told so for good, and a forge that is away is asked again', async () => {
  const run = slotRun()
  const away = async () => {
    throw new Error('its forge is away')
  }

  expect(await reasonOf({ run, configure: async () => undefined }, runner)).toBe('runner')
  await expect(reasonOf({ run, configure: away }, runner)).rejects.toThrow('away')
})
