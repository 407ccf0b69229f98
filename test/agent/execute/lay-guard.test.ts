import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { GUARD_SCRIPT, layGuard } from '../../../agent/execute/guard.ts'

test('attempts that begin together lay one guard, whole, and leave nothing beside it', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'runner-mesh-guard-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))

  const paths = await Promise.all(Array.from({ length: 32 }, () => layGuard(dir)))

  expect(new Set(paths).size).toBe(1)
  expect(await readFile(paths[0] ?? '', 'utf8')).toBe(GUARD_SCRIPT)
  expect(await readdir(dir)).toHaveLength(1)
})
