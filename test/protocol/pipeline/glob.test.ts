import { expect, test } from 'vitest'
import { globProblem } from '../../../protocol/pipeline/glob.ts'

test.each([
  ['', 'is empty'],
  ['a?', 'more than * and **'],
  ['[ab]', 'more than * and **'],
  ['{a,b}', 'more than * and **'],
  ['a\\*', 'more than * and **'],
  ['!main', 'excludes'],
  ['a***', 'two * in a row'],
  ['refs/heads/main', 'is a ref'],
  ['/main', 'can match no branch'],
  ['main/', 'can match no branch'],
  ['a//b', 'can match no branch'],
  ['a b', 'can match no branch'],
  ['a..b', 'can match no branch'],
  ['a~1', 'can match no branch'],
  ['a\u0007', 'can match no branch'],
  ['x'.repeat(257), 'is too long']
])('the pattern %j is refused: it %s', (pattern, problem) => {
  expect(globProblem(pattern)).toContain(problem)
})

test.each(['main', '*', '**', 'release/*', '**/fix', 'v1.*', 'x'.repeat(256)])(
  'the pattern %j is good',
  (pattern) => {
    expect(globProblem(pattern)).toBeUndefined()
  }
)
