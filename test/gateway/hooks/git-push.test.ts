import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bodyText, isDeletion, parseGitPush } from '../../../gateway/hooks/git-push.ts'
import { branchOf, originOf } from '../../../gateway/source-event.ts'
import { codeOf, MeshError } from '../../../protocol/core/errors.ts'

const push = {
  repository: 'team/kernel',
  ref: 'refs/heads/main',
  before: '0'.repeat(40),
  after: 'a'.repeat(40),
  pusher: 'lena',
  time: '2026-01-01T00:00:00Z'
}

function parse(change: Record<string, unknown>) {
  try {
    return parseGitPush(JSON.stringify({ ...push, ...change }))
  } catch (error) {
    return error instanceof MeshError ? `${error.code} ${error.facts['problem']}` : error
  }
}

describe('the body of the bare Git hook', () => {
  test('is read as it was posted', () => {
    expect(parse({})).toEqual(push)
    expect(parse({ pusher: undefined })).toEqual({ ...push, pusher: '' })
  })

  test('may say more than is known: a newer hook still works', () => {
    expect(parse({ size: 3 })).toEqual(push)
  })

  test.each([
    [{ repository: '' }, 'repository'],
    [{ repository: 'x'.repeat(101) }, 'repository'],
    [{ repository: 7 }, 'repository'],
    [{ ref: 'main' }, 'ref: a full ref is needed'],
    [{ ref: 'refs/heads/a b' }, 'ref'],
    [{ ref: 'refs/heads/../x' }, 'ref'],
    [{ ref: 'refs/heads/a\u0000' }, 'ref'],
    [{ ref: 'refs/heads/a\u202e' }, 'ref'],
    [{ ref: 'refs/heads/a\ud800' }, 'ref'],
    [{ ref: 'refs/heads/' }, 'ref'],
    [{ ref: `refs/heads/${'x'.repeat(1024)}` }, 'ref'],
    [{ after: 'abc' }, 'after: a full commit id is needed'],
    [{ after: 'A'.repeat(40) }, 'after'],
    [{ before: undefined }, 'before'],
    [{ pusher: 'x'.repeat(257) }, 'pusher'],
    [{ pusher: 'a\u001b[31m' }, 'pusher'],
    [{ time: 'yesterday' }, 'time']
  ])('%j is refused and names the field', (change, problem) => {
    expect(parse(change)).toMatch(new RegExp(`^BODY_INVALID ${problem.replace(':', '.?')}`))
  })

  test.each(['', '{', 'null', '[]', '"text"', '{"a":1}x'])('%j is no delivery', (text) => {
    expect(() => parseGitPush(text)).toThrow(MeshError)
  })

  test('bytes that are not UTF-8 are refused: several would read as the same text', () => {
    const broken = Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}')])

    expect(() => bodyText(broken)).toThrow(/not UTF-8/)
    expect(bodyText(Buffer.from('\ufeff{}'))).toBe('\ufeff{}')
  })

  test('whatever is posted, it is read or it is BODY_INVALID', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        try {
          parseGitPush(text)
        } catch (error) {
          expect(codeOf(error)).toBe('BODY_INVALID')
        }
      }),
      { numRuns: 500 }
    )
  })
})

describe('what a push means', () => {
  test('only refs/heads names a branch', () => {
    expect(branchOf({ ref: 'refs/heads/release/1' })).toBe('release/1')
    expect(branchOf({ ref: 'refs/tags/v1' })).toBeUndefined()
    expect(branchOf({ ref: 'refs/notes/refs/heads/x' })).toBeUndefined()
  })

  test('zeros after the push mean that the ref is gone, for both lengths of an id', () => {
    expect([40, 64].map((length) => isDeletion({ after: '0'.repeat(length) }))).toEqual([
      true,
      true
    ])
    expect(isDeletion(push)).toBe(false)
  })

  test('a run is named after the URL as declared, without .git and in lower case', () => {
    const event = { ...push, kind: 'push' } as const
    const origin = originOf(event, 'git://Forge.example:9418/team/kernel.git')

    expect(origin).toEqual({
      forgeHost: 'forge.example:9418',
      repositoryId: '/team/kernel',
      event: 'push',
      ref: push.ref,
      commit: push.after,
      number: '',
      action: '',
      rerunNonce: ''
    })
    expect(originOf(event, 'git://forge.example:9418/team/kernel')).toEqual(origin)
  })
})
