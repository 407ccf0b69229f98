import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { codeOf } from '../../../protocol/core/errors.ts'
import type { JobOpBody, JobState, Outcome } from '../../../protocol/core/job.ts'
import {
  DECODED_VALUES_MAX,
  HISTORY_ENTRIES_MAX,
  LAST_OPS_MAX,
  MESSAGE_BYTES_MAX,
  STEPS_PER_JOB_MAX,
  VALUE_BYTES_MAX
} from '../../../protocol/core/limits.ts'
import { digest } from '../../../protocol/wire/digest.ts'
import { generateKey, keyFromBytes } from '../../../protocol/wire/keys.ts'
import { decodeRecord, encodeRecord } from '../../../protocol/wire/record-codec.ts'
import { decodeValue, encodeValue, hashValue } from '../../../protocol/wire/value-codec.ts'
import { CLAIM_ID, HASH, JOB_ID, jobAfter, OP_ID, OUTCOME } from './samples.ts'

const KEY = generateKey()
const CREATE: JobOpBody = { kind: 'create', annHash: HASH, attemptsMax: 3 }

function refusal(task: () => unknown): string | undefined {
  try {
    task()
  } catch (error) {
    return `${codeOf(error)}: ${String(error)}`
  }
  return undefined
}

// A second encoder, by hand: field number, wire type 2, length, content.
const bytesField = (number: number, content: Uint8Array | string): Buffer => {
  const body = Buffer.from(content)
  const length = body.length < 128 ? [body.length] : [(body.length & 127) | 128, body.length >> 7]
  return Buffer.concat([Uint8Array.of(number * 8 + 2, ...length), body])
}
const numberField = (number: number, value: number): Buffer => Buffer.from([number * 8, value])
const fromHex = (hex: string): Buffer => Buffer.from(hex, 'hex')

test('the bytes of a new job are those that register.proto says, written by hand', () => {
  const value = jobAfter(KEY, CREATE)
  const identity = Buffer.concat([bytesField(1, fromHex(OP_ID)), bytesField(2, KEY.peerId)])
  const create = Buffer.concat([bytesField(1, fromHex(HASH)), numberField(2, 3)])
  const op = Buffer.concat([
    identity,
    bytesField(3, bytesField(1, create)),
    bytesField(4, fromHex(value.op.argsHash)),
    bytesField(5, fromHex(value.op.sig))
  ])
  const job = Buffer.concat([
    bytesField(1, JOB_ID),
    numberField(2, 1),
    bytesField(4, fromHex(HASH)),
    numberField(5, 1),
    numberField(8, 3),
    bytesField(13, identity),
    bytesField(14, op)
  ])
  const bytes = bytesField(1, job)
  expect(Buffer.from(encodeValue(value)).toString('hex')).toBe(bytes.toString('hex'))
  expect(hashValue(value)).toBe(createHash('sha256').update(bytes).digest('hex'))
})

test('the hash of a fixed value never changes from one release to the next', () => {
  const publicKey = 'ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c'
  const key = keyFromBytes(fromHex(`08011240${'07'.repeat(32)}${publicKey}`))
  expect(hashValue(jobAfter(key, CREATE))).toBe(
    'eb17fee585fc4a6889181ff5f8826ced9a1692d223c0e6e46f94a6d6794c99bf'
  )
})

test('a value and its copy have one hash, two values have two', () => {
  const value = jobAfter(KEY, CREATE)
  const bytes = Uint8Array.from(encodeValue(value))
  const { hash } = digest()
  expect(hash(structuredClone(value))).toBe(hash(value))
  expect(hash(decodeValue(bytes))).toBe(hash(value))
  expect(hash({ ...value, attempts: 1 })).not.toBe(hash(value))
})

test('a value that was decoded before is believed by its bytes alone', () => {
  const value = jobAfter(KEY, CREATE)
  const bytes = Buffer.from(encodeValue(value))
  expect(decodeValue(bytes)).toBe(decodeValue(Buffer.from(bytes)))
  const other = Buffer.from(encodeValue({ ...value, version: 2 }))
  expect(other.length).toBe(bytes.length)
  bytes.set(other)
  expect(decodeValue(bytes)).toStrictEqual({ ...value, version: 2 })
})

test('more values than are kept decoded all come out right', () => {
  const value = jobAfter(KEY, CREATE)
  const all = Array.from({ length: DECODED_VALUES_MAX + 50 }, (_, index) => {
    return { ...value, version: index + 1 }
  })
  const bytes = all.map((it) => Buffer.from(encodeValue(it)))
  for (const pass of [1, 2]) {
    expect(
      bytes.map((it) => decodeValue(it).version),
      `${pass}`
    ).toEqual(all.map((it) => it.version))
  }
})

test("a record gives back the value's bytes as they were proposed", () => {
  const value = jobAfter(KEY, CREATE)
  const ballot = { round: 5, peer: KEY.peerId, boot: '03'.repeat(8) }
  const accepted = { ballot, value, proposerSig: '05'.repeat(64) }
  const record = decodeRecord(Buffer.from(encodeRecord({ promised: ballot, accepted })))
  expect(record).toStrictEqual({ promised: ballot, accepted })
  const kept = record.accepted === undefined ? undefined : encodeValue(record.accepted.value)
  expect(Buffer.compare(kept ?? Buffer.alloc(0), encodeValue(value))).toBe(0)
})

describe('a value is refused', () => {
  const value = jobAfter(KEY, CREATE)
  const steps = new Array<Outcome['steps'][number]>(STEPS_PER_JOB_MAX + 1).fill({
    name: 's',
    state: 'not_run',
    exitCode: undefined,
    durationMs: 0
  })
  const history: JobState['history'] = new Array<JobState['history'][number]>(
    HISTORY_ENTRIES_MAX + 1
  ).fill({
    epoch: 1,
    holder: KEY.peerId,
    claimId: CLAIM_ID,
    end: 'expired',
    opId: '',
    argsHash: '',
    sig: ''
  })
  const lastOps = new Array<JobState['lastOps'][number]>(LAST_OPS_MAX + 1).fill(value.op)
  const outcome = (changes: Partial<Outcome>): Partial<JobState> => ({
    outcome: { ...OUTCOME, ...changes }
  })
  const refused: Record<string, Partial<JobState>> = {
    'whose register is a run': { register: JOB_ID.slice(0, 26) },
    'whose register has an index with a leading zero': { register: `${JOB_ID}0` },
    'with a hash in upper case': { annHash: HASH.toUpperCase() },
    'with a short hash': { annHash: HASH.slice(2) },
    'with a fraction': { version: 1.5 },
    'with a negative number': { epoch: -1 },
    'with a number over 2**53': { epoch: 2 ** 53 },
    'with NaN': { version: Number.NaN },
    'with a phase that is none': { phase: 'waiting' as JobState['phase'] },
    'with a reason that is none': outcome({ reason: 'toString' as Outcome['reason'] }),
    'with too many steps': outcome({ steps }),
    'with a long message': outcome({ message: 'é'.repeat(MESSAGE_BYTES_MAX / 2 + 1) }),
    'with a lone surrogate': outcome({ message: '\ud800' }),
    'with a peer id that is none': { cancel: { by: 'someone', reason: '' } },
    'with too much history': { history },
    'with an end that proves nothing': {
      history: [{ ...(history[0] ?? fail()), end: 'released' }]
    },
    'with too many ops': { lastOps }
  }
  test.each(Object.entries(refused))('%s', (_name, changes) => {
    expect(refusal(() => encodeValue({ ...value, ...changes }))).toMatch(/^MESSAGE_INVALID/)
  })

  test('while it is read, where it has more entries than it may', () => {
    const most = history.slice(1)
    const bytes = Buffer.from(encodeValue({ ...value, history: most }))
    expect(decodeValue(bytes)).toStrictEqual({ ...value, history: most })
    const entry = Buffer.concat([
      numberField(1, 1),
      bytesField(2, KEY.peerId),
      bytesField(3, fromHex(CLAIM_ID)),
      numberField(4, 1)
    ])
    const at = bytes.indexOf(bytesField(12, entry))
    // Behind the tag of the job and two bytes of its length.
    const job = [bytes.subarray(3, at), bytesField(12, entry), bytes.subarray(at)]
    expect(refusal(() => decodeValue(bytesField(1, Buffer.concat(job)), 'mallory'))).toMatch(
      /^MESSAGE_INVALID: .*mallory.*history has more than 16 entries/
    )
  })

  test('before it is read, where it is over the size', () => {
    const bytes = new Uint8Array(VALUE_BYTES_MAX + 1)
    expect(refusal(() => decodeValue(bytes))).toMatch(
      /^MESSAGE_TOO_LARGE: .*register value has 131073 bytes, at most 131072/
    )
  })
})

function fail(): never {
  throw new Error('no history')
}
