import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseImage } from '../../../agent/execute/image-reference.ts'
import { imageNameOf } from '../../../protocol/core/image-name.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`

test.each([
  ['alpine', 'docker.io', 'library/alpine', false],
  ['alpine:3.20', 'docker.io', 'library/alpine', false],
  ['team/tool', 'docker.io', 'team/tool', false],
  ['docker.io/alpine', 'docker.io', 'library/alpine', false],
  ['index.docker.io/team/tool', 'docker.io', 'team/tool', false],
  ['registry.example/tool', 'registry.example', 'tool', false],
  ['registry.example:5000/team/tool:1', 'registry.example:5000', 'team/tool', false],
  ['DOCKER.IO/library/alpine', 'docker.io', 'library/alpine', false],
  ['Registry.Example/tool', 'registry.example', 'tool', false],
  ['localhost/tool', 'localhost', 'tool', false],
  [`alpine@${DIGEST}`, 'docker.io', 'library/alpine', true],
  [`registry.example/a/b:1@${DIGEST}`, 'registry.example', 'a/b', true]
])('%s comes from %s as %s, by its digest: %s', (text, registry, repository, isPinned) => {
  expect(imageNameOf(text)).toEqual({ registry, repository, isPinned })
})

test.each(['', 'Alpine', '../x', 'a//b', 'a b', `a@sha256:abc`, '-x', 'x'.repeat(513)])(
  '%j names no image',
  (text) => {
    expect(imageNameOf(text)).toBeUndefined()
  }
)

test('what the agent can pull has a name, and what has none cannot be pulled', () => {
  const part = fc.constantFrom('a', 'B', 'a.b', 'localhost', 'a:1', 'x@y', '..', '-', 'a__b', '')
  const texts = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))
  fc.assert(
    fc.property(texts, fc.constantFrom('', ':1', `@${DIGEST}`, `:1@${DIGEST}`), (name, end) => {
      const text = `${name}${end}`
      expect(imageNameOf(text) === undefined).toBe(parseImage(text) === undefined)
    })
  )
})
