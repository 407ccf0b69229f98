import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '../../..')

test.each(['agent', 'gateway'])('%s behind a reader that has gone ends without a word', (name) => {
  const program = `node --import tsx ${name}/main.ts --help`

  const ran = spawnSync('bash', ['-c', `${program} | true; echo "\${PIPESTATUS[0]}"`], {
    cwd: ROOT,
    encoding: 'utf8'
  })

  expect(ran.stderr).toBe('')
  expect(ran.stdout).toBe('141\n')
})
