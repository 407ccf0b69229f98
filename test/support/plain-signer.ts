import type { JobState } from '../../protocol/core/job.ts'
import type { RegisterValue } from '../../protocol/core/messages.ts'
import type { Digest, Signer, Verifier } from '../../protocol/core/ports.ts'
import { canonical } from './plain-digest.ts'

/** Signatures without keys: who signed what, as a digest. Tests of core need no more. */
export function plainSigner(peerId: string, digest: Digest): Signer {
  const sign = (text: string) => `${digest.text(`${peerId}|${text}`)}${digest.text(text)}`
  const op = <Body extends { readonly kind: string }>(
    register: string,
    opId: string,
    body: Body
  ) => {
    const argsHash = digest.text(canonical(body))
    const sig = sign([register, body.kind, opId, argsHash].join('|'))
    return { opId, actor: peerId, body, argsHash, sig }
  }
  return {
    peerId,
    jobOp: op,
    runOp: op,
    proposal: (register, witnessEpoch, ballot, valueHash) =>
      sign([register, witnessEpoch, canonical(ballot), valueHash].join('|'))
  }
}

/** Tells true signatures of `plainSigner` from made-up ones. */
export function plainVerifier(digest: Digest): Verifier {
  return {
    value: (value) => isOpSigned(value, digest) && isHistorySigned(value, digest),
    proposal(register, witnessEpoch, { ballot, value, proposerSig }) {
      const signer = plainSigner(ballot.peer, digest)
      return signer.proposal(register, witnessEpoch, ballot, digest.hash(value)) === proposerSig
    }
  }
}

function isOpSigned({ register, op }: RegisterValue, digest: Digest): boolean {
  const signer = plainSigner(op.actor, digest)
  const again =
    op.body.kind === 'create' && !('attemptsMax' in op.body)
      ? signer.runOp(register, op.opId, op.body)
      : signer.jobOp(register, op.opId, op.body as JobState['op']['body'])
  return again.sig === op.sig && again.argsHash === op.argsHash
}

function isHistorySigned(value: RegisterValue, digest: Digest): boolean {
  if (value.kind === 'run') return true
  const { register, epoch, lease } = value
  if (lease?.adoption !== undefined) {
    const { holder, claimId, boot, adoption } = lease
    const { number, opId, sig } = adoption
    const body = { kind: 'adopt', epoch, claimId, boot, number } as const
    if (plainSigner(holder, digest).jobOp(register, opId, body).sig !== sig) return false
  }
  return value.history.every(({ end, holder, opId, argsHash, sig }) => {
    if (end === 'expired') return sig === ''
    const kind = end === 'released' ? 'release' : 'complete'
    const text = [value.register, kind, opId, argsHash].join('|')
    return sig === `${digest.text(`${holder}|${text}`)}${digest.text(text)}`
  })
}
