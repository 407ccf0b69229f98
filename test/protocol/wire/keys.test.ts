import { createPublicKey, verify as verifyWithNode } from 'node:crypto'
import { generateKeyPair, privateKeyToProtobuf, publicKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { describe, expect, test } from 'vitest'
import { codeOf } from '../../../protocol/core/errors.ts'
import {
  generateKey,
  keyFromBytes,
  publicKeyOf,
  rawKeyOf,
  sign,
  verify
} from '../../../protocol/wire/keys.ts'

const MESSAGE = Buffer.from('a statement')

function codeThrown(task: () => unknown): string | undefined {
  try {
    task()
  } catch (error) {
    return codeOf(error) ?? String(error)
  }
  return undefined
}

describe('a key', () => {
  test('comes back from its file with the same peer id', () => {
    const key = generateKey()
    const again = keyFromBytes(key.bytes)
    expect(again.peerId).toBe(key.peerId)
    expect(verify(key.peerId, MESSAGE, sign(again, MESSAGE))).toBe(true)
  })

  test('of libp2p is the same peer here', async () => {
    const theirs = await generateKeyPair('Ed25519')
    const ours = keyFromBytes(privateKeyToProtobuf(theirs))
    expect(ours.peerId).toBe(peerIdFromPrivateKey(theirs).toString())
    expect(ours.privateKey.equals(theirs)).toBe(true)
    expect(Buffer.compare(ours.bytes, privateKeyToProtobuf(theirs))).toBe(0)
  })

  test("signs what libp2p verifies, and verifies what libp2p's key signs", async () => {
    const key = generateKey()
    const theirs = await key.privateKey.sign(MESSAGE)
    expect(verify(key.peerId, MESSAGE, theirs)).toBe(true)
    const publicKey = publicKeyFromRaw(rawKeyOf(key.peerId))
    expect(await publicKey.verify(MESSAGE, sign(key, MESSAGE))).toBe(true)
  })

  test('is read from its peer id alone', () => {
    const key = generateKey()
    const jwk = {
      kty: 'OKP',
      crv: 'Ed25519',
      x: Buffer.from(rawKeyOf(key.peerId)).toString('base64url')
    }
    const publicKey = createPublicKey({ key: jwk, format: 'jwk' })
    expect(verifyWithNode(null, MESSAGE, publicKey, sign(key, MESSAGE))).toBe(true)
    expect(publicKeyOf(key.peerId).equals(publicKey)).toBe(true)
    expect(publicKeyOf(key.peerId)).toBe(publicKeyOf(key.peerId))
  })

  test('file of another type, cut short, or with halves of two keys is refused', async () => {
    const secp = privateKeyToProtobuf(await generateKeyPair('secp256k1'))
    const [one, two] = [generateKey(), generateKey()]
    const mixed = Buffer.concat([one.bytes.subarray(0, 36), two.bytes.subarray(36)])
    const files = [secp, one.bytes.subarray(0, 40), new Uint8Array(0), mixed]
    for (const bytes of files) expect(codeThrown(() => keyFromBytes(bytes))).toBe('KEY_INVALID')
  })

  test('that only looks like one signs nothing', () => {
    const key = { ...generateKey() }
    expect(codeThrown(() => sign(key, MESSAGE))).toBe('BUG')
  })
})

describe('a signature', () => {
  test('of another peer, over another message, or of another length is refused', () => {
    const [key, other] = [generateKey(), generateKey()]
    const signature = sign(key, MESSAGE)
    expect(verify(key.peerId, MESSAGE, signature)).toBe(true)
    expect(verify(other.peerId, MESSAGE, signature)).toBe(false)
    expect(verify(key.peerId, Buffer.from('another'), signature)).toBe(false)
    expect(verify(key.peerId, MESSAGE, signature.subarray(1))).toBe(false)
    expect(verify(key.peerId, MESSAGE, Buffer.concat([signature, signature]))).toBe(false)
  })

  test('under a peer id that is no Ed25519 key is refused, never a crash', async () => {
    const key = generateKey()
    const secp = peerIdFromPrivateKey(await generateKeyPair('secp256k1')).toString()
    const ids = ['', 'peer', secp, `12D3KooW${'z'.repeat(44)}`, `12D3KooW${'1'.repeat(44)}`]
    for (const id of ids) {
      expect(verify(id, MESSAGE, sign(key, MESSAGE)), id).toBe(false)
      expect(
        codeThrown(() => publicKeyOf(id)),
        id
      ).toBe('MESSAGE_INVALID')
    }
  })
})
