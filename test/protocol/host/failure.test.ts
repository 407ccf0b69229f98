import { expect, test } from 'vitest'
import { MeshError } from '../../../protocol/core/errors.ts'
import { Failure } from '../../../protocol/host/failure.ts'

test('a failure that nobody waited for is seen by who looks later, and the first one counts', async () => {
  const failure = new Failure()
  failure.raise(new MeshError('STORE_FAILED', { dir: '/s', action: 'write', cause: 'EIO' }))
  failure.raise(new MeshError('BUG', {}))
  await new Promise(setImmediate)

  await expect(failure.raised).rejects.toMatchObject({ code: 'STORE_FAILED' })
})
