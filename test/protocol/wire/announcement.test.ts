import { RecordEnvelope } from '@libp2p/peer-record'
import { describe, expect, test } from 'vitest'
import { codeOf } from '../../../protocol/core/errors.ts'
import { GPUS_PER_JOB_MAX } from '../../../protocol/core/gpu-request-limits.ts'
import {
  GROUP_CHARACTERS_MAX,
  INPUT_BYTES_MAX,
  JOB_PIDS_MAX,
  PRIORITY_MAX,
  RETRIES_MAX
} from '../../../protocol/core/graph-limits.ts'
import {
  ENV_ENTRIES_MAX,
  JOBS_PER_RUN_MAX,
  MANIFEST_BYTES_MAX,
  SCRIPT_BYTES_MAX
} from '../../../protocol/core/limits.ts'
import { NETWORK_ALLOW_MAX } from '../../../protocol/core/network-limits.ts'
import type { Announcement, JobSpec, Manifest } from '../../../protocol/core/run.ts'
import {
  openAnnouncement,
  sealAnnouncement,
  sealTogether
} from '../../../protocol/wire/announcement.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import { sealRoster } from '../../../protocol/wire/roster-codec.ts'
import { runIdOfOrigin } from '../../../protocol/wire/run-id.ts'
import { announcementBy, rosterOf } from './samples.ts'

const GATEWAY = generateKey()
const OTHER = generateKey()
const DOMAIN = 'runner-mesh-announcement'
const ANNOUNCEMENT = announcementBy(GATEWAY)
const { manifest: MANIFEST } = ANNOUNCEMENT

function refusal(task: () => unknown): string | undefined {
  try {
    task()
  } catch (error) {
    return `${codeOf(error)}: ${String(error)}`
  }
  return undefined
}

function withManifest(changes: Partial<Manifest>): Announcement {
  return { ...ANNOUNCEMENT, manifest: { ...MANIFEST, ...changes } }
}

function withJob(changes: Partial<JobSpec>): Announcement {
  return withManifest({ jobs: MANIFEST.jobs.map((job) => ({ ...job, ...changes })) })
}

test('a sealed announcement opens with the hash it was sealed with', () => {
  const sealed = sealAnnouncement(GATEWAY, ANNOUNCEMENT)
  const opened = openAnnouncement(Buffer.from(sealed.bytes))
  expect(opened.annHash).toBe(sealed.annHash)
  expect(opened.announcement).toStrictEqual(ANNOUNCEMENT)
  expect(Buffer.compare(opened.bytes, sealed.bytes)).toBe(0)
})

describe('announcements that are sealed in one tick', () => {
  const many = (count: number): Announcement[] => {
    return Array.from({ length: count }, (_, index) => ({ ...ANNOUNCEMENT, gwSeq: index + 1 }))
  }
  /** Its envelope ends with the field of the signature: tag, length, bytes. */
  const withSignature = (bytes: Uint8Array, from: number, signature: Uint8Array): Uint8Array => {
    const length = signature.length < 128 ? [signature.length] : [(signature.length & 127) | 128, 1]
    return Buffer.concat([bytes.subarray(0, from), Uint8Array.of(0x2a, ...length), signature])
  }

  test('share a signature, and each is opened by itself', async () => {
    const sealed = await Promise.all(many(3).map((one) => sealTogether(GATEWAY, one)))

    for (const { announcement, annHash, bytes } of sealed) {
      const opened = openAnnouncement(Buffer.from(bytes))
      expect(opened.announcement).toStrictEqual(announcement)
      expect(opened.annHash).toBe(annHash)
    }
    // Two levels above three leaves: 64 bytes, the place, two hashes.
    const roots = sealed.map(({ bytes }) => Buffer.from(bytes).subarray(-129, -65).toString('hex'))
    expect(new Set(roots).size).toBe(1)
  })

  test('are each the same as if it were sealed alone, where it is alone', async () => {
    const sealed = await sealTogether(GATEWAY, ANNOUNCEMENT)
    expect(sealed).toEqual(sealAnnouncement(GATEWAY, ANNOUNCEMENT))
  })

  test('are not opened by the signature of another of them', async () => {
    const [one, other] = await Promise.all(many(2).map((each) => sealTogether(GATEWAY, each)))
    if (one === undefined || other === undefined) throw new Error('two were sealed')
    const from = one.bytes.length - 97 - 2
    const proof = (bytes: Uint8Array): Uint8Array => bytes.subarray(bytes.length - 97)

    expect(withSignature(one.bytes, from, proof(one.bytes))).toEqual(Buffer.from(one.bytes))
    const swapped = withSignature(one.bytes, from, proof(other.bytes))
    expect(refusal(() => openAnnouncement(swapped))).toMatch(/ANNOUNCEMENT_INVALID.*signature/)
    const short = withSignature(one.bytes, from, proof(one.bytes).subarray(0, 96))
    expect(refusal(() => openAnnouncement(short))).toMatch(/ANNOUNCEMENT_INVALID.*signature.*96/)
  })

  test('fail alone where one of them may not be sealed', async () => {
    const foreign = announcementBy(OTHER)
    const [good, bad] = await Promise.allSettled([
      sealTogether(GATEWAY, ANNOUNCEMENT),
      sealTogether(GATEWAY, foreign)
    ])

    expect(good.status).toBe('fulfilled')
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'ANNOUNCEMENT_INVALID' } })
  })
})

describe("libp2p's own envelope", () => {
  const record = (payload: Uint8Array, codec: string, domain: string) => ({
    domain,
    codec: Buffer.from(codec),
    marshal: () => payload,
    equals: () => false
  })

  test('opens what we seal, in our domain only', async () => {
    const { bytes } = sealAnnouncement(GATEWAY, ANNOUNCEMENT)
    const opened = await RecordEnvelope.openAndCertify(bytes, DOMAIN)
    expect(opened.publicKey.toString()).toBe(GATEWAY.peerId)
    await expect(RecordEnvelope.openAndCertify(bytes, 'libp2p-peer-record')).rejects.toThrow()
  })

  test('sealed in our domain and type is opened, in another it is refused', async () => {
    const { bytes } = sealAnnouncement(GATEWAY, ANNOUNCEMENT)
    const { payload } = await RecordEnvelope.openAndCertify(bytes, DOMAIN)
    const type = '/runner-mesh/announcement/1'
    const seal = async (codec: string, domain: string): Promise<Uint8Array> =>
      (
        await RecordEnvelope.seal(record(payload.subarray(), codec, domain), GATEWAY.privateKey)
      ).marshal()
    expect(openAnnouncement(await seal(type, DOMAIN)).announcement).toStrictEqual(ANNOUNCEMENT)
    const elsewhere = await seal(type, 'libp2p-peer-record')
    expect(refusal(() => openAnnouncement(elsewhere))).toMatch(/ANNOUNCEMENT_INVALID.*signature/)
    const mistyped = await seal('/runner-mesh/roster/1', DOMAIN)
    expect(refusal(() => openAnnouncement(mistyped))).toMatch(/ANNOUNCEMENT_INVALID.*payload type/)
  })
})

/** The bytes with `extra` at the end of the first message that the field numbers lead to. */
function withField(bytes: Uint8Array, path: readonly number[], extra: Uint8Array): Uint8Array {
  const [field, ...rest] = path
  if (field === undefined) return Buffer.concat([bytes, extra])
  const tag = (field << 3) | 2
  for (let at = 0; at < bytes.length; ) {
    const from = at
    const [found, afterTag] = varint(bytes, at)
    const [value, afterValue] = varint(bytes, afterTag)
    at = (found & 7) === 2 ? afterValue + value : afterValue
    if (found !== tag) continue
    const inner = withField(bytes.subarray(afterValue, at), rest, extra)
    const head = Uint8Array.of(...spelled(tag), ...spelled(inner.length))
    return Buffer.concat([bytes.subarray(0, from), head, inner, bytes.subarray(at)])
  }
  throw new Error(`no field ${field}`)
}

function varint(bytes: Uint8Array, from: number): [number, number] {
  let value = 0
  for (let at = from, unit = 1; ; at += 1, unit *= 128) {
    const byte = bytes[at] ?? 0
    value += (byte & 127) * unit
    if (byte < 128) return [value, at + 1]
  }
}

function spelled(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...spelled(value >>> 7)]
}

describe('a field that this version does not know, signed by the gateway, is refused', () => {
  async function signedWith(path: readonly number[], extra: Uint8Array): Promise<Uint8Array> {
    const { bytes } = sealAnnouncement(GATEWAY, ANNOUNCEMENT)
    const { payload } = await RecordEnvelope.openAndCertify(bytes, DOMAIN)
    const changed = withField(payload.subarray(), path, extra)
    const record = {
      domain: DOMAIN,
      codec: Buffer.from('/runner-mesh/announcement/1'),
      marshal: () => changed,
      equals: () => false
    }
    return (await RecordEnvelope.seal(record, GATEWAY.privateKey)).marshal()
  }

  const places: Record<string, readonly number[]> = {
    'the announcement': [],
    'its manifest': [8],
    'the origin': [8, 1],
    'a job': [8, 7],
    'the resources of a job': [8, 7, 5],
    'a step': [8, 7, 11]
  }
  test.each(Object.entries(places))('in %s', async (_name, path) => {
    const nothing = await signedWith(path, Uint8Array.of())
    expect(openAnnouncement(nothing).announcement).toStrictEqual(ANNOUNCEMENT)
    // A number, and a text, both under two bytes of tag: what would have to be obeyed, or more.
    for (const extra of [Uint8Array.of(0xf8, 0x07, 1), Uint8Array.of(0xc2, 0x0c, 1, 0x61)]) {
      const bytes = await signedWith(path, extra)
      expect(refusal(() => openAnnouncement(bytes))).toMatch(/^ANNOUNCEMENT_INVALID.*another way/)
    }
  })
})

describe('an announcement is refused', () => {
  test('when another peer signed it, at sealing and at opening', async () => {
    expect(refusal(() => sealAnnouncement(OTHER, ANNOUNCEMENT))).toMatch(/in the name of/)
    const { bytes } = sealAnnouncement(GATEWAY, ANNOUNCEMENT)
    const envelope = await RecordEnvelope.openAndCertify(bytes, DOMAIN)
    const forged = {
      domain: DOMAIN,
      codec: envelope.payloadType,
      marshal: () => envelope.payload.subarray(),
      equals: () => false
    }
    const foreign = (await RecordEnvelope.seal(forged, OTHER.privateKey)).marshal()
    expect(refusal(() => openAnnouncement(foreign))).toMatch(/ANNOUNCEMENT_INVALID.*in the name of/)
  })

  test("when it is another document of the same signer's", () => {
    const { bytes } = sealRoster(GATEWAY, rosterOf(GATEWAY, OTHER))
    expect(refusal(() => openAnnouncement(bytes))).toMatch(/^ANNOUNCEMENT_INVALID/)
  })

  const origin = { ...MANIFEST.origin, ref: 'refs/heads/next' }
  const [job] = MANIFEST.jobs
  if (job === undefined) throw new Error('the sample has a job')
  const step = { name: 's', run: 'true', timeoutMs: undefined }
  const jobs = (length: number): JobSpec[] =>
    Array.from({ length }, (_, index) => ({ ...job, index }))
  const env = Object.fromEntries(
    Array.from({ length: ENV_ENTRIES_MAX + 1 }, (_, at) => [`V${at}`, ''])
  )
  const error = {
    code: 'PIPELINE_INVALID',
    message: 'no',
    line: undefined,
    column: undefined,
    path: undefined
  }
  const refused: Record<string, Announcement> = {
    'with a run id that its origin does not make': withManifest({ origin }),
    'with a job out of its place': withManifest({ jobs: [{ ...job, index: 1 }] }),
    'with neither jobs nor an error': withManifest({ jobs: [] }),
    'with jobs and an error': withManifest({ error }),
    'with too many jobs': withManifest({ jobs: jobs(JOBS_PER_RUN_MAX + 1) }),
    'with a short commit id': withManifest({ before: 'c0ffee' }),
    'with a variable that holds a second one': withJob({ env: { 'A=B': 'c' } }),
    'with a variable without a name': withJob({ env: { '': 'c' } }),
    'with a variable that is no name': withJob({ env: { 'a b': 'c' } }),
    'with a NUL in a variable': withJob({ env: { A: 'b\0c' } }),
    'with too many variables': withJob({ env }),
    'with an image that is an option': withJob({ image: '--privileged' }),
    'with a script over its limit': withJob({
      steps: [{ ...step, run: 'x'.repeat(SCRIPT_BYTES_MAX + 1) }]
    }),
    'with a step without a name': withJob({ steps: [{ ...step, name: '' }] }),
    'with a job name of two lines': withJob({ name: 'a\nb' }),
    'with a network that is not offered': withJob({ network: 'host' as JobSpec['network'] }),
    'with an allow list of nothing': withJob({ network: { allow: [] } }),
    'with a host name in another spelling': withJob({ network: { allow: ['A.example:443'] } }),
    'with no host name in its allow list': withJob({ network: { allow: ['127.1:443'] } }),
    'with an entry in another spelling': withJob({ network: { allow: ['10.0.0.1/32:443'] } }),
    'with too many entries': withJob({
      network: {
        allow: Array.from({ length: NETWORK_ALLOW_MAX + 1 }, (_, at) => `1.1.1.1:${at + 1}`)
      }
    }),
    'with an event that is none': withManifest({
      origin: { ...MANIFEST.origin, event: 'fork' as 'push' }
    }),
    'with a job that needs itself': withJob({ needs: [0] }),
    'with a job that needs one that is not there': withJob({ needs: [1] }),
    'with needs in a circle': withManifest({
      jobs: [
        { ...job, needs: [1] },
        { ...job, index: 1, needs: [0] }
      ]
    }),
    'with a need twice': withManifest({
      jobs: [job, { ...job, index: 1, needs: [0, 0] }]
    }),
    'with needs out of order': withManifest({
      jobs: [job, { ...job, index: 1 }, { ...job, index: 2, needs: [1, 0] }]
    }),
    'with more retries than there are': withJob({ retries: RETRIES_MAX + 1 }),
    'with a priority above all': withJob({ priority: PRIORITY_MAX + 1 }),
    'with a priority below all': withJob({ priority: -PRIORITY_MAX - 1 }),
    'with half a priority': withJob({ priority: 0.5 }),
    'with a group without a name': withJob({ concurrency: { group: '', cancelSuperseded: true } }),
    'with a group of two lines': withJob({
      concurrency: { group: 'a\nb', cancelSuperseded: false }
    }),
    'with a group that is too long': withJob({
      concurrency: { group: 'g'.repeat(GROUP_CHARACTERS_MAX + 1), cancelSuperseded: false }
    }),
    'with a preference without a name': withJob({ prefer: { '': 'nvme' } }),
    'with a time of nothing before it falls back': withJob({ fallbackAfterMs: 0 }),
    'with a matrix value of two lines': withJob({ matrix: { os: 'a\nb' } }),
    'with no GPU at all': withJob({ gpu: { count: 0 } }),
    'with more GPUs than any host has': withJob({ gpu: { count: GPUS_PER_JOB_MAX + 1 } }),
    'with all of a GPU as a share': withJob({ gpu: { count: 1, shareOf: 1 } }),
    'with a model of two lines': withJob({ gpu: { count: 1, model: 'a\nb' } }),
    'with more stars than a model may have': withJob({ gpu: { count: 1, model: 'a*'.repeat(9) } }),
    'with a compute capability of AMD': withJob({
      gpu: { count: 1, vendor: 'amd', computeTenths: 80 }
    }),
    'with a gfx version of NVIDIA': withJob({ gpu: { count: 1, vendor: 'nvidia', gfx: 'gfx942' } }),
    'with a MIG profile and a gfx version': withJob({
      gpu: { count: 1, mig: '1g.10gb', gfx: 'gfx942' }
    }),
    'with more processes than any job may have': withJob({
      resources: { ...job.resources, pidsMax: JOB_PIDS_MAX + 1 }
    }),
    'with an input that is too large': withManifest({
      inputs: { target: 'x'.repeat(INPUT_BYTES_MAX + 1) }
    }),
    'with a base of two lines': withManifest({ base: 'a\nb' }),
    "with a fork's commit as trusted": withManifest({ fork: true, trust: 'trusted' }),
    'with a trust that is none': withManifest({ trust: 'some' as Manifest['trust'] }),
    'that counts from zero': { ...ANNOUNCEMENT, gwSeq: 0 }
  }
  test.each(Object.entries(refused))('%s', (_name, announcement) => {
    expect(refusal(() => sealAnnouncement(GATEWAY, announcement))).toMatch(/^ANNOUNCEMENT_INVALID/)
  })

  test('when it is too large, with its size', () => {
    const steps = Array.from({ length: 64 }, () => ({ ...step, run: 'x'.repeat(SCRIPT_BYTES_MAX) }))
    expect(refusal(() => sealAnnouncement(GATEWAY, withJob({ steps })))).toMatch(
      /^ANNOUNCEMENT_INVALID: .*bytes, at most 1048576 are allowed/
    )
    const bytes = new Uint8Array(MANIFEST_BYTES_MAX + 1)
    expect(refusal(() => openAnnouncement(bytes))).toMatch(/^ANNOUNCEMENT_INVALID/)
  })
})

test('a job that asks for nothing of a graph is spelled as before there were any', () => {
  const { annHash, bytes } = sealAnnouncement(GATEWAY, ANNOUNCEMENT)
  const [opened] = openAnnouncement(bytes).announcement.manifest.jobs
  expect(opened).toStrictEqual(MANIFEST.jobs[0])
  const asked = { needs: [], retries: 0, priority: 0, prefer: {}, matrix: {} }
  expect(sealAnnouncement(GATEWAY, withJob(asked)).annHash).toBe(annHash)
})

test('a job that asks for no GPU is spelled as before it could, and one that does as nobody of before reads', () => {
  const bare = sealAnnouncement(GATEWAY, ANNOUNCEMENT)
  expect(sealAnnouncement(GATEWAY, withJob({ gpu: undefined })).annHash).toBe(bare.annHash)
  const gpu = { count: 1 }
  const asked = sealAnnouncement(GATEWAY, withJob({ gpu }))
  expect(openAnnouncement(asked.bytes).announcement.manifest.jobs[0]?.gpu).toEqual(gpu)
  // Tag and length of the field, tag and number in it: what old readers take for a stranger's.
  expect(asked.bytes.length - bare.bytes.length).toBe(5)
})

test('only a trusted run carries a word on trust: without it, as before it was signed, it is not', () => {
  const sealed = (trust: Manifest['trust']) => sealAnnouncement(GATEWAY, withManifest({ trust }))
  const [trusted, untrusted] = [sealed('trusted'), sealed('untrusted')]

  // A tag and a number.
  expect(trusted.bytes.length - untrusted.bytes.length).toBe(2)
  expect(openAnnouncement(trusted.bytes).announcement.manifest.trust).toBe('trusted')
  expect(openAnnouncement(untrusted.bytes).announcement.manifest.trust).toBe('untrusted')
})

test('labels are in order of their UTF-8 bytes, whatever order they were given in', () => {
  // U+FF61 sorts above U+10000 in UTF-16 and below it in UTF-8.
  const names = ['\u{10000}', '\uff61', 'b', 'a', '__proto__']
  const give = (order: readonly string[]): string => {
    const labels = Object.fromEntries(order.map((name) => [name, name]))
    return sealAnnouncement(GATEWAY, withJob({ labels })).annHash
  }
  expect(give(names)).toBe(give(names.toReversed()))
  const labels = Object.fromEntries(names.map((name) => [name, name]))
  const { bytes } = sealAnnouncement(GATEWAY, withJob({ labels }))
  const opened = openAnnouncement(bytes).announcement.manifest.jobs[0]?.labels ?? {}
  expect(Object.keys(opened)).toEqual(['__proto__', 'a', 'b', '\uff61', '\u{10000}'])
})

test('the run id of the sample is that of its origin', () => {
  expect(ANNOUNCEMENT.runId).toBe(runIdOfOrigin(MANIFEST.origin))
})
