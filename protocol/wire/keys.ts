import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as signEd25519,
  verify as verifyEd25519
} from 'node:crypto'
import {
  privateKeyFromProtobuf,
  privateKeyFromRaw,
  privateKeyToProtobuf,
  publicKeyFromRaw
} from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPublicKey, peerIdFromString } from '@libp2p/peer-id'
import { causeOf, MeshError } from '../core/errors.ts'
import { PEER_KEYS_MAX } from '../core/limits.ts'
import { BoundedMap } from './bounded-map.ts'
import { SIGNATURE_BYTES } from './fields.ts'
import { isPeerId } from './ids.ts'

/** The Ed25519 key that a member, or the authority, is known by. */
export interface MeshKey {
  readonly peerId: string
  /** For libp2p; signing with it costs several times what `sign` below costs. */
  readonly privateKey: PrivateKey
  /** libp2p's PrivateKey message: what a key file holds. */
  readonly bytes: Uint8Array
}

/** Bytes of a raw Ed25519 public key. */
export const PUBLIC_KEY_BYTES = 32
/** What stands before the raw key in DER (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

const signingKeys = new WeakMap<MeshKey, KeyObject>()
const peerKeys = new BoundedMap<string, KeyObject>(PEER_KEYS_MAX)
/** By the raw key as hex. */
const peerIds = new BoundedMap<string, string>(PEER_KEYS_MAX)

export function generateKey(): MeshKey {
  const der = generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' })
  return keyFromSeed(der.subarray(PKCS8.length))
}

/** Inverse of `MeshKey.bytes`. Throws KEY_INVALID; `file` names the source in it. */
export function keyFromBytes(bytes: Uint8Array, file = 'the key file'): MeshKey {
  try {
    const parsed = privateKeyFromProtobuf(bytes)
    if (parsed.type !== 'Ed25519') throw new Error(`it is of type ${parsed.type}, not Ed25519`)
    const key = keyFromSeed(parsed.raw.subarray(0, PUBLIC_KEY_BYTES))
    // A key file whose halves do not fit is damaged: it would sign under another name.
    if (!parsed.equals(key.privateKey)) throw new Error('its halves do not fit together')
    return key
  } catch (cause) {
    throw new MeshError('KEY_INVALID', { file, cause: causeOf(cause) }, { cause })
  }
}

function keyFromSeed(seed: Uint8Array): MeshKey {
  const secret = createPrivateKey({
    key: Buffer.concat([PKCS8, seed]),
    format: 'der',
    type: 'pkcs8'
  })
  const raw = rawPublicKey(createPublicKey(secret))
  const privateKey = privateKeyFromRaw(Buffer.concat([seed, raw]))
  const key: MeshKey = {
    peerId: peerIdOfRaw(raw),
    privateKey,
    bytes: privateKeyToProtobuf(privateKey)
  }
  signingKeys.set(key, secret)
  return key
}

function rawPublicKey(key: KeyObject): Uint8Array {
  return key.export({ format: 'der', type: 'spki' }).subarray(SPKI.length)
}

/** Peer id text of 32 bytes of an Ed25519 public key. */
export function peerIdOfRaw(raw: Uint8Array): string {
  const hex = Buffer.from(raw).toString('hex')
  const known = peerIds.get(hex)
  if (known !== undefined) return known
  const key = publicKeyFromRaw(raw)
  if (key.type !== 'Ed25519') throw new MeshError('BUG', { problem: `a ${key.type} key` })
  const peerId = peerIdFromPublicKey(key).toString()
  peerIds.set(hex, peerId)
  return peerId
}

/** The public key that a peer id is. Throws MESSAGE_INVALID for text that is no Ed25519 peer id. */
export function publicKeyOf(peerId: string): KeyObject {
  const known = peerKeys.get(peerId)
  if (known !== undefined) return known
  const spki = Buffer.concat([SPKI, rawKeyOf(peerId)])
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  peerKeys.set(peerId, key)
  return key
}

/** The 32 bytes of that key. Throws MESSAGE_INVALID for text that is no Ed25519 peer id. */
export function rawKeyOf(peerId: string): Uint8Array {
  const raw = isPeerId(peerId) ? parsePeerId(peerId) : undefined
  if (raw !== undefined) return raw
  throw new MeshError('MESSAGE_INVALID', { peer: peerId, problem: 'it is no Ed25519 peer id' })
}

function parsePeerId(peerId: string): Uint8Array | undefined {
  try {
    const key = peerIdFromString(peerId).publicKey
    return key?.type === 'Ed25519' ? key.raw : undefined
  } catch {
    return
  }
}

/** Ed25519 over `message`, 64 bytes. */
export function sign(key: MeshKey, message: Uint8Array): Buffer {
  const secret = signingKeys.get(key)
  // Keys come from generateKey and keyFromBytes only: a look-alike has no secret here.
  if (secret === undefined) throw new MeshError('BUG', { problem: `${key.peerId} is no MeshKey` })
  return signEd25519(null, message, secret)
}

/** True when `peerId` signed `message`. Never throws. */
export function verify(peerId: string, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false
  try {
    return verifyEd25519(null, message, publicKeyOf(peerId), signature)
  } catch {
    return false
  }
}
