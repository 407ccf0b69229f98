import fc from 'fast-check'
import { type Advertisement, DISK_LIMITS } from '../../../protocol/core/advertisement.ts'
import type { HostPolicy } from '../../../protocol/core/host-policy.ts'
import { ISOLATION_LEVELS } from '../../../protocol/core/isolation.ts'
import type { LogLine } from '../../../protocol/core/log-line.ts'
import { NETWORK_RULES, type NetworkAbility } from '../../../protocol/core/network.ts'
import type { Member, Roster } from '../../../protocol/core/roster.ts'
import type { Frame } from '../../../protocol/wire/frame.ts'
import type { JobsMessage } from '../../../protocol/wire/hint-codec.ts'
import type { LogReply, LogRequest } from '../../../protocol/wire/log-codec.ts'
import type { OrderReply, OrderRequest } from '../../../protocol/wire/orders-codec.ts'
import type { RosterReply, RosterRequest } from '../../../protocol/wire/roster-message.ts'
import type { SecretsReply, SecretsRequest } from '../../../protocol/wire/secrets-codec.ts'
import { gpuTerms, usesBy } from '../../support/arbitrary-gpu-rooms.ts'
import { gpus } from '../../support/arbitrary-gpus.ts'
import {
  blobs,
  boots,
  counts,
  hashes,
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
import { dictionaries } from './manifest-arbitraries.ts'

const members: fc.Arbitrary<Omit<Member, 'peerId'>> = fc.record({
  name: names,
  roles: fc.subarray(['agent', 'gateway', 'witness', 'operator'] as const),
  addresses: some(fc.constantFrom('/ip4/10.0.0.1/tcp/4471', '/dns4/ci.example/tcp/4471')),
  witness: option(fc.record({ storeId: ids, zone: fc.oneof(fc.constant(''), names) })),
  notAfterMs: counts
})

const jobUses = fc.record({
  job: jobIds,
  busyPercent: option(fc.integer({ min: 0, max: 100 })),
  memoryBytes: option(counts)
})

const gpuLooks = fc.record({
  ageMs: counts,
  gpus: fc.uniqueArray(
    fc.record({
      id: fc.constantFrom('nvidia:GPU-1', 'amd:2-0', 'intel:0000:4d:00.0'),
      busyPercent: option(fc.integer({ min: 0, max: 100 })),
      memoryBytes: option(counts),
      powerWatts: option(fc.integer({ min: 0, max: 0xff_ff_ff_ff })),
      temperature: option(fc.integer({ min: -50, max: 150 })),
      jobs: fc.uniqueArray(jobUses, { maxLength: 3, selector: ({ job }) => job })
    }),
    { minLength: 1, maxLength: 3, selector: ({ id }) => id }
  )
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
    gpus,
    gpuTerms: option(gpuTerms),
    gpusHeld: usesBy(jobIds),
    gpuLook: option(gpuLooks),
    warm: fc.array(boots, { maxLength: 4 }),
    costPercent: option(fc.constantFrom(10, 99, 101, 1_000)),
    imagesLacking: fc.uniqueArray(
      fc.record({ image: names, platforms: fc.array(names, { minLength: 1, maxLength: 3 }) }),
      { maxLength: 3, selector: ({ image }) => image }
    ),
    largest: option(fc.record({ cpuMilli: counts, memoryBytes: counts })),
    capacity: capacities,
    free: capacities,
    diskFreeBytes: counts,
    engine: fc.oneof(fc.constant(''), names),
    jobs: some(jobIds),
    sentAtMs: counts,
    leaving: fc.boolean()
  })
  .map(
    ({
      builder,
      gpus: some,
      gpuTerms: terms,
      gpusHeld: held,
      gpuLook,
      warm,
      costPercent,
      largest,
      imagesLacking,
      ...ad
    }) => ({
      ...ad,
      ...(gpuLook === undefined ? {} : { gpuLook }),
      ...(warm.length === 0 ? {} : { warm }),
      ...(costPercent === undefined ? {} : { costPercent }),
      ...(largest === undefined ? {} : { largest }),
      ...(imagesLacking.length === 0 ? {} : { imagesLacking }),
      ...(terms === undefined ? {} : { gpuTerms: terms }),
      ...(held.length === 0 ? {} : { gpusHeld: held }),
      ...(builder === undefined ? {} : { builder }),
      ...(some.length === 0 ? {} : { gpus: some })
    })
  )

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

export const orderRequests: fc.Arbitrary<OrderRequest> = fc.record({
  order: fc.constantFrom('pause', 'resume', 'drain'),
  by: fc.stringMatching(/^[a-z][a-z0-9 ()]{0,20}$/)
})

export const orderReplies: fc.Arbitrary<OrderReply> = fc.oneof(
  fc.record({
    kind: fc.constant('taken'),
    state: fc.constantFrom('starting', 'idle', 'busy', 'paused', 'draining')
  }),
  fc.record({ kind: fc.constant('refused'), reason: fc.constantFrom('role', 'owner', 'stopping') })
)

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
      'runner',
      'forgotten',
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
