import { createHash, createPublicKey, verify as verifyWithNode } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Ballot } from '../../../protocol/core/ballot.ts'
import type { HistoryEntry, JobOpBody, JobState } from '../../../protocol/core/job.ts'
import { HISTORY_ENTRIES_MAX, MESSAGE_BYTES_MAX } from '../../../protocol/core/limits.ts'
import { batchSigner } from '../../../protocol/wire/batch-signer.ts'
import { digest } from '../../../protocol/wire/digest.ts'
import { generateKey, rawKeyOf } from '../../../protocol/wire/keys.ts'
import { signerOf } from '../../../protocol/wire/signer.ts'
import { decodeValue, encodeValue } from '../../../protocol/wire/value-codec.ts'
import { verifier } from '../../../protocol/wire/verifier.ts'
import { jobBodies } from './register-arbitraries.ts'
import { BOOT, CLAIM_ID, HASH, JOB_ID, jobAfter, OP_ID, OUTCOME, RUN_ID, runBy } from './samples.ts'

const HOLDER = generateKey()
const OTHER = generateKey()
const CLAIM: JobOpBody = { kind: 'claim', claimId: CLAIM_ID, boot: BOOT, leaseMs: 30_000 }
const COMPLETE: JobOpBody = { kind: 'complete', epoch: 1, claimId: CLAIM_ID, outcome: OUTCOME }
const RELEASE: JobOpBody = {
  kind: 'release',
  epoch: 1,
  claimId: CLAIM_ID,
  reason: 'drained',
  userCodeRan: false
}

/** Over the wire, so that nothing is remembered of the object that was signed. */
function holds(value: JobState): boolean {
  return verifier().value(decodeValue(Uint8Array.from(encodeValue(value))))
}

function withOp(value: JobState, changes: Partial<JobState['op']>): JobState {
  return { ...value, op: { ...value.op, ...changes } }
}

/** True when HOLDER signed the fields, each behind its length; by Node alone. */
function signed(fields: readonly string[], signature: string): boolean {
  const statement = Buffer.concat(
    fields.flatMap((field) => [Buffer.from([0, 0, 0, field.length]), Buffer.from(field)])
  )
  const x = Buffer.from(rawKeyOf(HOLDER.peerId)).toString('base64url')
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  return verifyWithNode(null, statement, key, Buffer.from(signature, 'hex'))
}

describe('the op of a value', () => {
  test('of every kind is believed when its actor signed it', () => {
    fc.assert(
      fc.property(jobBodies, (body) => {
        expect(holds(jobAfter(HOLDER, body))).toBe(true)
      }),
      { numRuns: 60 }
    )
    expect(verifier().value(runBy(HOLDER))).toBe(true)
  })

  test('covers exactly domain, register, kind, epoch, claim, op id, actor and arguments', () => {
    const { op } = jobAfter(HOLDER, COMPLETE)
    const end = ['complete', '1', CLAIM_ID, OP_ID, HOLDER.peerId, op.argsHash]
    expect(signed(['runner-mesh.job-op.v1', JOB_ID, ...end], op.sig)).toBe(true)
    const cancel = jobAfter(HOLDER, { kind: 'cancel', reason: '' }).op
    const rest = ['cancel', '', '', OP_ID, HOLDER.peerId, cancel.argsHash]
    expect(signed(['runner-mesh.job-op.v1', JOB_ID, ...rest], cancel.sig)).toBe(true)
    const run = runBy(HOLDER).op
    const create = [RUN_ID, 'create', OP_ID, HOLDER.peerId, run.argsHash]
    expect(signed(['runner-mesh.run-op.v1', ...create], run.sig)).toBe(true)
  })

  test('signed by anyone else than its actor is refused', () => {
    const value = jobAfter(HOLDER, CLAIM)
    const foreign = signerOf(OTHER).jobOp(JOB_ID, OP_ID, CLAIM)
    expect(holds(withOp(value, { sig: foreign.sig }))).toBe(false)
    expect(holds(withOp(value, { actor: OTHER.peerId }))).toBe(false)
    expect(holds({ ...value, op: foreign })).toBe(true)
  })

  test('of another register, id, kind or body is refused', () => {
    const value = jobAfter(HOLDER, RELEASE)
    const others: JobState[] = [
      { ...value, register: `${RUN_ID}.1` },
      withOp(value, { opId: '77'.repeat(16) }),
      withOp(value, { body: { ...RELEASE, userCodeRan: true } }),
      withOp(value, { body: { ...RELEASE, epoch: 2 } }),
      withOp(value, { body: CLAIM }),
      withOp(value, { argsHash: HASH }),
      withOp(value, { sig: '00'.repeat(64) })
    ]
    for (const other of others) expect(holds(other)).toBe(false)
    // Nor by one that has just found the real one good, and knows its op by its id.
    const check = verifier()
    for (const other of others) {
      expect(check.value(value)).toBe(true)
      expect(check.value(other)).toBe(false)
    }
  })

  test('with arguments swapped together with their digest is refused', () => {
    const value = jobAfter(HOLDER, RELEASE)
    const other = jobAfter(HOLDER, { ...RELEASE, userCodeRan: true })
    const swapped = { body: other.op.body, argsHash: other.op.argsHash }
    expect(holds(withOp(value, swapped))).toBe(false)
  })

  test("of a run does not pass as a job's, nor the reverse", () => {
    const run = runBy(HOLDER)
    const create: JobOpBody = { kind: 'create', annHash: HASH, attemptsMax: 3 }
    const job = jobAfter(HOLDER, create)
    expect(holds(withOp(job, { sig: run.op.sig }))).toBe(false)
    expect(verifier().value({ ...run, op: { ...run.op, sig: job.op.sig } })).toBe(false)
  })

  test('args hash is SHA-256 over the bytes of the body', () => {
    const { op } = jobAfter(HOLDER, { kind: 'cancel', reason: 'stop' })
    // JobOpBody.cancel = 5, CancelBody.reason = 1
    const bytes = Buffer.concat([Buffer.from([0x2a, 6, 0x0a, 4]), Buffer.from('stop')])
    expect(op.argsHash).toBe(createHash('sha256').update(bytes).digest('hex'))
  })
})

describe('an ended lease in the history', () => {
  const end = (body: JobOpBody): HistoryEntry => {
    const op = signerOf(HOLDER).jobOp(JOB_ID, OP_ID, body)
    return {
      epoch: 1,
      holder: HOLDER.peerId,
      claimId: CLAIM_ID,
      end: body.kind === 'release' ? 'released' : 'completed',
      opId: op.opId,
      argsHash: op.argsHash,
      sig: op.sig
    }
  }
  const following = (entry: HistoryEntry): JobState =>
    jobAfter(OTHER, { ...CLAIM, claimId: '09'.repeat(16) }, { history: [entry] })

  test('is believed by the very signature of the release or complete that ended it', () => {
    expect(holds(following(end(RELEASE)))).toBe(true)
    expect(holds(following(end(COMPLETE)))).toBe(true)
  })

  test('that expired needs no proof', () => {
    const expired = { ...end(RELEASE), end: 'expired', opId: '', argsHash: '', sig: '' } as const
    expect(holds(following(expired))).toBe(true)
  })

  test('with any other holder, epoch, claim, end, id or arguments is refused', () => {
    const entry = end(RELEASE)
    const others: HistoryEntry[] = [
      { ...entry, holder: OTHER.peerId },
      { ...entry, epoch: 2 },
      { ...entry, claimId: '08'.repeat(16) },
      { ...entry, end: 'completed' },
      { ...entry, opId: '08'.repeat(16) },
      { ...entry, argsHash: HASH },
      { ...entry, sig: end(COMPLETE).sig }
    ]
    const check = verifier()
    for (const other of others) {
      expect(holds(following(other))).toBe(false)
      expect(check.value(following(entry))).toBe(true)
      expect(check.value(following(other))).toBe(false)
    }
  })
})

describe('an adopted lease', () => {
  const ADOPT: JobOpBody = { kind: 'adopt', epoch: 1, claimId: CLAIM_ID, boot: BOOT, number: 1 }
  const { opId, sig } = signerOf(HOLDER).jobOp(JOB_ID, OP_ID, ADOPT)
  const lease = {
    holder: HOLDER.peerId,
    claimId: CLAIM_ID,
    boot: BOOT,
    leaseMs: 30_000,
    adoption: { number: 1, opId, sig }
  }
  const flagged = (change: object, epoch = 1): JobState => {
    const changes = { epoch, phase: 'leased', lease: { ...lease, ...change } } as const
    return jobAfter(OTHER, { kind: 'cancel', reason: '' }, changes)
  }

  test('is believed under any later op, by the very signature of its adoption', () => {
    expect(holds(flagged({}))).toBe(true)
    expect(holds(flagged({ adoption: undefined }))).toBe(true)
  })

  test('with any other holder, epoch, claim, boot, number or signature is refused', () => {
    const { adoption } = lease
    const others = [
      { holder: OTHER.peerId },
      { claimId: '08'.repeat(16) },
      { boot: '08'.repeat(8) },
      { adoption: { ...adoption, number: 2 } },
      { adoption: { ...adoption, opId: '08'.repeat(16) } },
      { adoption: { ...adoption, sig: '00'.repeat(64) } }
    ]
    for (const other of others) expect(holds(flagged(other))).toBe(false)
    expect(holds(flagged({}, 2))).toBe(false)
  })
})

describe('a proposal', () => {
  const ballot: Ballot = { round: 3, peer: HOLDER.peerId, boot: BOOT }
  const value = jobAfter(HOLDER, CLAIM)
  const proposerSig = signerOf(HOLDER).proposal(JOB_ID, 4, ballot, digest().hash(value))
  const accepted = { ballot, value, proposerSig }

  test('is believed when its ballot peer signed register, witness epoch, ballot and value', () => {
    expect(verifier().proposal(JOB_ID, 4, accepted)).toBe(true)
    const fields = [JOB_ID, '4', '3', HOLDER.peerId, BOOT, digest().hash(value)]
    expect(signed(['runner-mesh.proposal.v1', ...fields], proposerSig)).toBe(true)
  })

  test('that was signed together with others is believed as itself, and as no other', async () => {
    const check = verifier()
    const signer = batchSigner(HOLDER)
    const hash = digest().hash(value)
    const next: Ballot = { ...ballot, round: 4 }
    const [first, second, op] = await Promise.all([
      signer.proposal(JOB_ID, 4, ballot, hash),
      signer.proposal(JOB_ID, 4, next, hash),
      signer.jobOp(JOB_ID, OP_ID, CLAIM)
    ])

    expect(new Set([first, second, op.sig].map((sig) => sig.slice(0, 128))).size).toBe(1)
    expect(check.proposal(JOB_ID, 4, { ...accepted, proposerSig: first })).toBe(true)
    expect(check.proposal(JOB_ID, 4, { ballot: next, value, proposerSig: second })).toBe(true)
    expect(check.value({ ...value, op })).toBe(true)
    for (const proposerSig of [second, op.sig]) {
      expect(check.proposal(JOB_ID, 4, { ...accepted, proposerSig })).toBe(false)
    }
    expect(check.value({ ...value, op: { ...op, sig: first } })).toBe(false)
    const foreign = { ...ballot, peer: OTHER.peerId }
    expect(check.proposal(JOB_ID, 4, { ...accepted, ballot: foreign, proposerSig: first })).toBe(
      false
    )
  })

  test('is refused when any of these is another', () => {
    const check = verifier()
    expect(check.proposal(`${RUN_ID}.1`, 4, accepted)).toBe(false)
    expect(check.proposal(JOB_ID, 5, accepted)).toBe(false)
    const ballots: Ballot[] = [
      { ...ballot, round: 4 },
      { ...ballot, peer: OTHER.peerId },
      { ...ballot, boot: '05'.repeat(8) }
    ]
    for (const other of ballots) {
      expect(check.proposal(JOB_ID, 4, { ...accepted, ballot: other })).toBe(false)
    }
    const other = jobAfter(HOLDER, CLAIM, { attempts: 1 })
    expect(check.proposal(JOB_ID, 4, { ...accepted, value: other })).toBe(false)
    expect(check.proposal(JOB_ID, 4, { ...accepted, proposerSig: value.op.sig })).toBe(false)
  })
})

describe('a value that no one could be sent', () => {
  test('is refused, not thrown on', () => {
    const value = jobAfter(HOLDER, CLAIM)
    const entry = { epoch: 1, holder: OTHER.peerId, claimId: CLAIM_ID, end: 'expired' } as const
    const expired: HistoryEntry = { ...entry, opId: '', argsHash: '', sig: '' }
    const others: JobState[] = [
      { ...value, version: -1 },
      { ...value, annHash: 'AB'.repeat(32) },
      { ...value, register: 'job' },
      { ...value, history: new Array<HistoryEntry>(HISTORY_ENTRIES_MAX + 1).fill(expired) },
      { ...value, outcome: { ...OUTCOME, message: 'x'.repeat(MESSAGE_BYTES_MAX + 1) } }
    ]
    for (const other of others) expect(verifier().value(other)).toBe(false)
  })

  test('stays refused after a good one with the same signature was seen', () => {
    const check = verifier()
    const value = jobAfter(HOLDER, RELEASE)
    expect(check.value(value)).toBe(true)
    expect(check.value(withOp(value, { opId: '77'.repeat(16) }))).toBe(false)
    expect(check.value(withOp(value, { actor: OTHER.peerId }))).toBe(false)
    expect(check.value(structuredClone(value))).toBe(true)
  })
})
