import fc from 'fast-check'
import { type Advertisement, DISK_LIMITS } from '../../../protocol/core/advertisement.ts'
import { formatAllowEntry } from '../../../protocol/core/allow-entry.ts'
import type { HostPolicy } from '../../../protocol/core/host-policy.ts'
import { ASKED_LEVELS, ISOLATION_LEVELS } from '../../../protocol/core/isolation.ts'
import type { LogLine } from '../../../protocol/core/log-line.ts'
import { formatNameEntry } from '../../../protocol/core/name-entry.ts'
import {
  NETWORK_RULES,
  type NetworkAbility,
  type NetworkPolicy
} from '../../../protocol/core/network.ts'
import type { Member, Roster } from '../../../protocol/core/roster.ts'
import type { JobSpec, Manifest, RunOrigin, ServiceSpec } from '../../../protocol/core/run.ts'
import type { Frame } from '../../../protocol/wire/frame.ts'
import type { JobsMessage } from '../../../protocol/wire/hint-codec.ts'
import type { LogReply, LogRequest } from '../../../protocol/wire/log-codec.ts'
import type { RosterReply, RosterRequest } from '../../../protocol/wire/roster-message.ts'
import type { SecretsReply, SecretsRequest } from '../../../protocol/wire/secrets-codec.ts'
import { allowEntries, nameEntries } from '../../support/arbitrary-network.ts'
import {
  blobs,
  boots,
  counts,
  hashes,
  hex,
  ids,
  jobIds,
  KEYS,
  names,
  option,
  peerIds,
  positive,
  registers,
  some,
  texts
} from './draws.ts'

const commits = fc.oneof(hex(20), hex(32))

export const origins: fc.Arbitrary<RunOrigin> = fc.record({
  forgeHost: names,
  repositoryId: names,
  event: fc.constant('push'),
  ref: names.map((name) => `refs/heads/${name}`),
  commit: commits,
  number: fc.constantFrom('', '17'),
  action: fc.constantFrom('', 'opened'),
  rerunNonce: fc.constantFrom('', 'again')
})

const dictionaries = fc.dictionary(names, names, { maxKeys: 4, noNullPrototype: true })
const variables = fc.oneof(fc.stringMatching(/^[A-Za-z_]\w{0,10}$/), fc.constant('__proto__'))
const timeouts = fc.integer({ min: 1, max: 86_400_000 })

const networks: fc.Arbitrary<NetworkPolicy> = fc.oneof(
  fc.constantFrom('none', 'internet', 'open', 'audit'),
  fc.record({
    allow: fc.array(
      fc.oneof(allowEntries.map(formatAllowEntry), nameEntries.map(formatNameEntry)),
      { minLength: 1, maxLength: 4 }
    )
  })
)

const secretRequests = fc.uniqueArray(
  fc.oneof(
    fc.record({
      name: fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,10}$/),
      file: option(
        fc.stringMatching(/^[a-z0-9_][a-z0-9._-]{0,10}$/).map((x) => `/run/secrets/${x}`)
      )
    }),
    fc.record({
      name: fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,10}$/),
      file: fc.constant(undefined),
      registry: fc.constantFrom('docker.io', 'localhost:5000', 'registry.example')
    })
  ),
  {
    minLength: 1,
    maxLength: 3,
    comparator: (a, b) =>
      a.name === b.name ||
      (a.file !== undefined && a.file === b.file) ||
      ('registry' in a && 'registry' in b && a.registry === b.registry)
  }
)

const resources = fc.record({
  cpuMilli: fc.integer({ min: 1, max: 64_000 }),
  memoryBytes: fc.integer({ min: 1, max: 2 ** 44 })
})
const commands = option(
  fc.array(
    fc.string({ minLength: 1, maxLength: 5 }).filter((x) => !x.includes('\0')),
    {
      minLength: 1,
      maxLength: 3
    }
  )
)

const services: fc.Arbitrary<readonly ServiceSpec[]> = fc.uniqueArray(
  fc.record({
    name: fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?$/),
    image: fc.constantFrom('postgres:17', 'registry.example:5000/a/b@sha256:00'),
    env: fc.dictionary(variables, texts, { maxKeys: 4 }),
    command: commands,
    secrets: secretRequests.map((requests) => requests.filter(({ file }) => file !== undefined)),
    resources,
    ready: fc.record({
      port: option(fc.integer({ min: 1, max: 65_535 })),
      command: commands,
      timeoutMs: fc.integer({ min: 1, max: 600_000 })
    })
  }),
  { minLength: 1, maxLength: 3, selector: ({ name }) => name }
)

const jobSpecs: fc.Arbitrary<Omit<JobSpec, 'index'>> = fc
  .record({
    name: names,
    image: fc.constantFrom('alpine:3.20', 'registry.example:5000/a/b@sha256:00'),
    platform: option(fc.constantFrom('linux/amd64', 'linux/arm/v7')),
    emulation: fc.constantFrom('allow', 'forbid'),
    resources: fc
      .tuple(resources, option(fc.integer({ min: 1, max: 2 ** 44 })))
      .map(([own, diskBytes]) => ({ ...own, diskBytes })),
    labels: dictionaries,
    env: fc.dictionary(variables, texts, { maxKeys: 4 }),
    timeoutMs: timeouts,
    onLoss: fc.constantFrom('retry', 'error'),
    network: networks,
    steps: some(fc.record({ name: names, run: texts, timeoutMs: option(timeouts) })),
    isolation: option(fc.constantFrom(...ASKED_LEVELS)),
    secrets: option(secretRequests),
    services: option(services),
    builder: option(fc.constant(true))
  })
  .map(({ secrets, services, isolation, builder, ...spec }) => ({
    ...spec,
    ...(isolation === undefined ? {} : { isolation }),
    ...(secrets === undefined ? {} : { secrets }),
    ...(services === undefined ? {} : { services }),
    ...(builder === undefined ? {} : { builder })
  }))

export const manifests: fc.Arbitrary<Manifest> = fc
  .record({
    origin: origins,
    repository: names,
    url: fc.constantFrom('https://git.example/a.git', 'ssh://git@git.example/ä'),
    before: fc.oneof(fc.constant(''), commits),
    pusher: texts,
    title: texts,
    trust: fc.constantFrom('trusted', 'untrusted'),
    content: fc.oneof(
      fc.array(jobSpecs, { minLength: 1, maxLength: 3 }),
      fc.record({
        code: fc.constant('PIPELINE_INVALID'),
        message: texts,
        line: option(counts),
        column: option(counts),
        path: option(texts)
      })
    )
  })
  .map(({ content, ...rest }) =>
    Array.isArray(content)
      ? { ...rest, jobs: content.map((spec, index) => ({ index, ...spec })), error: undefined }
      : { ...rest, jobs: [], error: content }
  )

const members: fc.Arbitrary<Omit<Member, 'peerId'>> = fc.record({
  name: names,
  roles: fc.subarray(['agent', 'gateway', 'witness', 'operator'] as const),
  addresses: some(fc.constantFrom('/ip4/10.0.0.1/tcp/4471', '/dns4/ci.example/tcp/4471')),
  witness: option(fc.record({ storeId: ids, zone: fc.oneof(fc.constant(''), names) })),
  notAfterMs: counts
})

export const rosters: fc.Arbitrary<Omit<Roster, 'authority'>> = fc.record({
  version: positive,
  prevHash: fc.oneof(fc.constant(''), hashes),
  witnessEpoch: counts,
  w: fc.constantFrom(1, 3, 5),
  lease: fc.constantFrom('default', 'short'),
  members: fc
    .tuple(fc.subarray(KEYS), fc.array(members, { minLength: 4, maxLength: 4 }))
    .map(([keys, drawn]) =>
      keys.flatMap(({ peerId }, index) => {
        const member = drawn[index]
        return member === undefined ? [] : [{ peerId, ...member }]
      })
    ),
  revoked: some(peerIds)
})

export const rosterRequests: fc.Arbitrary<RosterRequest> = fc.record({
  version: counts,
  witnessEpoch: option(counts),
  bytes: option(blobs)
})

export const rosterReplies: fc.Arbitrary<RosterReply> = fc.record({
  version: counts,
  bytes: option(blobs)
})

export const rosterHints = fc.record({ version: counts, witnessEpoch: counts })

const levels = fc.constantFrom(...ISOLATION_LEVELS)

const capacities = fc.record({
  cpuMilli: counts,
  memoryBytes: counts,
  diskBytes: counts,
  jobs: fc.nat(256)
})

const patterns = some(fc.constantFrom('*', 'team/**', 'https://git.example/ä*', 'docker.io/*/a'))

const policies: fc.Arbitrary<HostPolicy> = fc.record({
  repositories: patterns,
  refs: patterns,
  events: patterns,
  authors: patterns,
  images: patterns,
  registries: patterns,
  pinned: fc.boolean(),
  trustedOnly: fc.boolean()
})

export const advertisements: fc.Arbitrary<Advertisement> = fc
  .record({
    peerId: peerIds,
    name: names,
    boot: boots,
    sequence: counts,
    state: fc.constantFrom('starting', 'idle', 'busy', 'paused', 'draining'),
    version: names,
    platforms: some(fc.record({ name: names, native: fc.boolean() })),
    networks: fc.subarray<NetworkAbility>(['internet', 'private', 'open', 'names']),
    networkRules: option(fc.constantFrom(...NETWORK_RULES)),
    labels: dictionaries,
    isolation: fc
      .tuple(levels, option(levels), fc.subarray([...ISOLATION_LEVELS]))
      .map(([offered, required, shown]) => {
        return { offered, required, ...(shown.length === 0 ? {} : { levels: shown }) }
      }),
    diskLimit: fc.constantFrom(...DISK_LIMITS),
    policy: option(policies),
    closing: option(fc.record({ by: fc.constantFrom('hours', 'load'), text: names })),
    builder: option(fc.constant(true)),
    capacity: capacities,
    free: capacities,
    diskFreeBytes: counts,
    engine: fc.oneof(fc.constant(''), names),
    jobs: some(jobIds),
    sentAtMs: counts,
    leaving: fc.boolean()
  })
  .map(({ builder, ...ad }) => (builder === undefined ? ad : { ...ad, builder }))

const hints = fc.record({ register: registers, witnessEpoch: counts, version: counts })

const repeats = fc.integer({ min: 0, max: 0xff_ff_ff_ff })

export const jobsMessages: fc.Arbitrary<JobsMessage> = fc.oneof(
  fc.record({ kind: fc.constant('announcement'), bytes: blobs, repeat: repeats }),
  fc.record({ kind: fc.constant('hint'), hint: hints, repeat: repeats })
)

const logLines: fc.Arbitrary<Omit<LogLine, 'number'>> = fc.record({
  atMs: counts,
  step: fc.nat(64),
  stream: fc.constantFrom('out', 'err', 'mesh'),
  text: texts
})

const numbered = fc
  .tuple(fc.integer({ min: 1, max: 2 ** 40 }), some(logLines))
  .map(([first, lines]) => ({
    first,
    lines: lines.map((line, index) => ({ number: first + index, ...line }))
  }))

export const logRequests: fc.Arbitrary<LogRequest> = fc.oneof(
  fc.tuple(jobIds, positive, numbered, fc.boolean()).map(
    ([job, epoch, { first, lines }, end]): LogRequest => ({
      kind: 'push',
      job,
      epoch,
      firstLine: first,
      lines,
      end
    })
  ),
  fc.record({
    kind: fc.constant('read'),
    job: jobIds,
    epoch: option(positive),
    fromLine: positive,
    limit: fc.integer({ min: 1, max: 1_000 })
  })
)

const secretNames = fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,10}$/)

export const secretsRequests: fc.Arbitrary<SecretsRequest> = fc.record({
  job: jobIds,
  epoch: positive,
  claimId: ids,
  nonce: ids,
  names: fc.array(secretNames, { maxLength: 4 })
})

export const secretsReplies: fc.Arbitrary<SecretsReply> = fc.oneof(
  fc.record({
    nonce: ids,
    kind: fc.constant('released'),
    secrets: fc.array(
      fc.record({ name: secretNames, value: fc.uint8Array({ minLength: 1, maxLength: 40 }) }),
      { maxLength: 3 }
    )
  }),
  fc.record({
    nonce: ids,
    kind: fc.constant('refused'),
    reason: fc.constantFrom(
      'not_holder',
      'unknown_job',
      'unset',
      'unnamed',
      'registry',
      'isolation',
      'too_large'
    ),
    name: fc.oneof(fc.constant(''), secretNames)
  })
)

export const logReplies: fc.Arbitrary<LogReply> = fc.oneof(
  fc.record({ kind: fc.constant('acked'), nextLine: positive }),
  fc.record({
    kind: fc.constant('refused'),
    code: fc.constantFrom('stale_epoch', 'unknown_job', 'gap', 'not_allowed', 'full'),
    nextLine: counts
  }),
  fc.record({
    kind: fc.constant('page'),
    epoch: counts,
    lines: numbered.map(({ lines }) => lines),
    next: counts,
    end: fc.boolean()
  }),
  fc.constant({ kind: 'absent' } as const)
)

const errorFrames = fc.record({
  kind: fc.constant('error' as const),
  code: fc.constantFrom('OVERLOADED', 'MESSAGE_INVALID')
})
const plainFrames = fc.record({
  kind: fc.constantFrom('request' as const, 'response' as const),
  code: fc.constant('')
})

export const frames: fc.Arbitrary<Frame> = fc
  .tuple(repeats, blobs, fc.oneof(errorFrames, plainFrames))
  .map(([id, body, rest]) => ({ id, body, ...rest }))
