import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { FORGE_HOOKS } from '../../../gateway/hooks/forge-hooks.ts'
import { hmacSecretOf } from '../../../gateway/hooks/hmac-secret.ts'
import { Repositories } from '../../../gateway/repositories.ts'
import { codeOf } from '../../../protocol/core/errors.ts'
import {
  type ForgePost,
  forgePost,
  HMAC_VECTOR,
  type HmacForge,
  hexHmac
} from '../../support/forge-delivery.ts'
import { repositoryOf } from '../../support/gateway-rig.ts'
import { HttpRig } from '../../support/http-rig.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const SIGNATURES = [
  ['gitea', 'x-gitea-signature', ''],
  ['forgejo', 'x-forgejo-signature', ''],
  ['github', 'x-hub-signature-256', 'sha256=']
] as const

describe('the secret of a forge', () => {
  const { secret: text, body, sha256 } = HMAC_VECTOR
  const signing = { signature: 'X-Signature', prefix: '', delivery: 'X-Delivery' } as const

  function verify(headers: Record<string, string>, bytes: Uint8Array = Buffer.from(body)) {
    const read = hmacSecretOf(text, signing)
    if (read.kind === 'unusable') throw new Error(read.problem)
    const incoming = { headers, bytes, text: '', receivedAtMs: 0 }
    return read.secret.verify(incoming, 'team/kernel')
  }

  test("verifies the vector of GitHub's documentation", () => {
    expect(hexHmac(text, body)).toBe(sha256)
    expect(verify({ 'x-signature': sha256, 'x-delivery': 'an-id' })).toBe('an-id')
  })

  test('verifies the bytes as they came, and not what they mean', () => {
    const headers = { 'x-signature': sha256, 'x-delivery': 'an-id' }

    expect(() => verify(headers, Buffer.from('Hello,  World!'))).toThrow(/wrong in X-Signature/)
    expect(() => verify(headers, Buffer.from(`\ufeff${body}`))).toThrow(/wrong in X-Signature/)
  })

  test.each(['', 'a b', 'x'.repeat(129), '../x'])('takes no delivery of the id %j', (id) => {
    const headers = { 'x-signature': sha256, 'x-delivery': id }
    let code: unknown
    try {
      verify(headers)
    } catch (error) {
      code = codeOf(error)
    }
    expect(code).toBe('REQUEST_INVALID')
  })

  test.each([
    ['', /it has 0 characters, 16 to 255 are needed/],
    ['\n', /it has 0 characters/],
    ['short', /it has 5 characters/],
    ['x'.repeat(256), /it has 256 characters/],
    [' it starts with a space', /starts or ends with a space/],
    ['it ends with a space \n', /starts or ends with a space/],
    ['it has two lines\nof text', /one line/]
  ])('cannot be %j', (secret, problem) => {
    const read = hmacSecretOf(secret, signing)

    expect(read.kind === 'unusable' && read.problem).toMatch(problem)
  })

  test('is free text, and the end of its line does not count', () => {
    for (const end of ['', '\n', '\r\n']) {
      expect(hmacSecretOf(`whsec_ or grüße, as you like${end}`, signing).kind).toBe('usable')
    }
  })

  test.each(['gitea', 'forgejo', 'github'] as const)('made new for %s can be used', (forge) => {
    const { newSecret, secretOf } = FORGE_HOOKS[forge]

    expect(secretOf(newSecret()).kind).toBe('usable')
    expect(newSecret()).not.toBe(newSecret())
  })
})

describe('401, and nothing is stored', () => {
  let rig: HttpRig

  beforeAll(async () => {
    rig = await HttpRig.make({
      repositories: new Repositories(
        SIGNATURES.map(([forge]) =>
          repositoryOf(forge, `${forge}/kernel`, { url: `https://${forge}.example/kernel` })
        )
      )
    })
  })

  afterAll(() => rig.stop())

  function postOf(forge: HmacForge, parts = {}): ForgePost {
    const body = {
      ref: 'refs/heads/main',
      before: '0'.repeat(40),
      after: 'a'.repeat(40),
      repository: { id: 1, full_name: `${forge}/kernel` }
    }
    return forgePost(forge, JSON.stringify(body), parts)
  }

  async function expectRefused(post: ForgePost, what: string): Promise<void> {
    const reply = await rig.app.inject(post)

    expect(reply.statusCode).toBe(401)
    expect(reply.json()).toMatchObject({ code: 'SIGNATURE_MISMATCH', status: 401 })
    expect(reply.json().detail).toMatch(new RegExp(`signature is ${what} in X-`))
    expect(reply.headers['www-authenticate']).toBe('HMAC-SHA256 realm="runner-mesh"')
    expect((await rig.store.inbox.list(100, undefined)).deliveries).toEqual([])
  }

  describe.each(SIGNATURES)('%s', (forge, header, prefix) => {
    test('with the empty signatures of a hook without a secret', async () => {
      await expectRefused(postOf(forge, { secret: '' }), 'empty')
    })

    test('without the signature, even where every other one is right', async () => {
      const post = postOf(forge)
      const { [header]: _gone, ...headers } = post.headers

      await expectRefused({ ...post, headers }, 'missing')
    })

    test('with the signature of another secret', async () => {
      await expectRefused(postOf(forge, { secret: 'another secret of someone' }), 'wrong')
    })

    test('with the right signature of other bytes', async () => {
      const post = postOf(forge)

      await expectRefused({ ...post, payload: `${post.payload} ` }, 'wrong')
    })

    test.each([
      ['short', (hex: string) => prefix + hex.slice(0, 63)],
      ['long', (hex: string) => `${prefix}${hex}0`],
      ['no hexadecimal', (hex: string) => `${prefix}z${hex.slice(1)}`],
      ['of capital letters', (hex: string) => prefix + hex.replace(/^./, 'A')],
      ['by SHA-1', () => `sha1=${HMAC_VECTOR.sha1}`],
      ['twice', (hex: string) => `${prefix}${hex}, ${prefix}${hex}`],
      ['under the wrong prefix', (hex: string) => (prefix === '' ? 'sha256=' : '') + hex]
    ])('with a signature that is %s', async (_name, change) => {
      const post = postOf(forge)
      const signature = change(hexHmac(HMAC_VECTOR.secret, post.payload))

      await expectRefused(
        { ...post, headers: { ...post.headers, [header]: signature } },
        'not well formed'
      )
    })
  })
})
