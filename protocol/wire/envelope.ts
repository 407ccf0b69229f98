import { MeshError } from '../core/errors.ts'
import { loose, messageCodec } from './codec.ts'
import { plain, refuse, SIGNATURE_BYTES } from './fields.ts'
import * as wire from './generated/envelope.ts'
import { isSigned } from './good-signatures.ts'
import { type MeshKey, PUBLIC_KEY_BYTES, peerIdOfRaw, rawKeyOf, sign } from './keys.ts'
import { isSignatureSize } from './signature-proof.ts'

/** What a signed envelope is for: a signature counts in its own domain only. */
export interface EnvelopePurpose {
  readonly domain: string
  readonly payloadType: string
  readonly bytesMax: number
  /** What shares a signature with others is opened, too. */
  readonly mayShare: boolean
}

export interface OpenedEnvelope {
  /** Peer id of the signer. */
  readonly signer: string
  /** Verified, not decoded. */
  readonly payload: Uint8Array
}

export interface SignedEnvelope {
  /** Throws MESSAGE_TOO_LARGE. */
  seal(key: MeshKey, payload: Uint8Array): Uint8Array
  /** What is to be signed for `sealed`. */
  statement(payload: Uint8Array): Uint8Array
  /** With a signature, in hex digits, that was made elsewhere. Throws MESSAGE_TOO_LARGE. */
  sealed(signer: string, payload: Uint8Array, signature: string): Uint8Array
  /** Throws MESSAGE_INVALID, MESSAGE_TOO_LARGE. */
  open(bytes: Uint8Array): OpenedEnvelope
}

/** libp2p's PublicKey message up to the key itself: type Ed25519, 32 bytes of data. */
const KEY_HEAD = Buffer.from('08011220', 'hex')

/**
 * Envelopes as in libp2p RFC 0002. `RecordEnvelope` of @libp2p/peer-record opens what this seals
 * and the reverse, but for shared signatures; it only works asynchronously, with keys that cost
 * several times as much.
 */
export function signedEnvelope(purpose: EnvelopePurpose): SignedEnvelope {
  const { domain, payloadType, bytesMax } = purpose
  const type = Buffer.from(payloadType)
  const codec = messageCodec<wire.Envelope, wire.Envelope>({
    what: payloadType,
    generated: wire.Envelope,
    limits: {},
    bytesMax,
    toWire: (envelope) => loose<wire.Envelope>(envelope),
    fromWire: (envelope) => {
      checkEnvelope(envelope, type, purpose)
      return envelope
    }
  })
  const statement = (payload: Uint8Array): Uint8Array => signedBytes(domain, type, payload)
  const sealed = (signer: string, payload: Uint8Array, signature: Uint8Array): Uint8Array => {
    const publicKey = Buffer.concat([KEY_HEAD, rawKeyOf(signer)])
    const own = plain(signature)
    return codec.encode({ publicKey, payloadType: type, payload: plain(payload), signature: own })
  }
  return {
    seal: (key, payload) => sealed(key.peerId, payload, sign(key, statement(payload))),
    statement,
    sealed: (signer, payload, signature) => {
      return sealed(signer, payload, Buffer.from(signature, 'hex'))
    },
    open: (bytes) => {
      const { publicKey, payload, signature } = codec.decode(bytes, 'its sender')
      const signer = peerIdOfRaw(publicKey.subarray(KEY_HEAD.length))
      const hex = Buffer.from(signature).toString('hex')
      if (isSigned(signer, statement(payload), hex)) return { signer, payload }
      const problem = `${payloadType}: the signature is not that of ${signer}`
      throw new MeshError('MESSAGE_INVALID', { peer: signer, problem })
    }
  }
}

function checkEnvelope(
  { publicKey, payloadType, signature }: wire.Envelope,
  type: Buffer,
  { mayShare }: EnvelopePurpose
): void {
  const head = publicKey.subarray(0, KEY_HEAD.length)
  if (publicKey.length !== KEY_HEAD.length + PUBLIC_KEY_BYTES || KEY_HEAD.compare(head) !== 0) {
    refuse('signer', 'is not an Ed25519 key')
  }
  if (type.compare(payloadType) !== 0) refuse('payload type', 'is another')
  const { length } = signature
  const fits = mayShare ? isSignatureSize(length) : length === SIGNATURE_BYTES
  if (!fits) refuse('signature', `has ${length} bytes`)
}

/** Domain, payload type and payload, each behind its length (RFC 0002, "Signature production"). */
function signedBytes(domain: string, payloadType: Uint8Array, payload: Uint8Array): Uint8Array {
  const parts = [Buffer.from(domain), payloadType, payload]
  return Buffer.concat(parts.flatMap((part) => [varint(part.length), part]))
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  while (rest > 0x7f) {
    bytes.push((rest % 0x80) + 0x80)
    rest = Math.floor(rest / 0x80)
  }
  return Uint8Array.of(...bytes, rest)
}
