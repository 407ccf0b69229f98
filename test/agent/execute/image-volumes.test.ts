import { describe, expect, test } from 'vitest'
import { INSIDE, LEASE_INSIDE } from '../../../agent/execute/guard.ts'
import { imageVolumes } from '../../../agent/execute/image-volumes.ts'
import { STRICT } from '../../../agent/execute/profile-strict.ts'
import { WORKSPACE_INSIDE } from '../../../agent/execute/sandbox-profile.ts'
import { SECRETS_INSIDE } from '../../../protocol/pipeline/secrets.ts'

const of = (...volumes: readonly string[]) => imageVolumes('R.0', { volumes })

describe('the volumes that an image declares', () => {
  test('are each a place once, however it is written', () => {
    expect(of()).toEqual([])
    expect(of('/data', '/data/', '/var//lib/../lib/db')).toEqual(['/data', '/var/lib/db'])
  })

  test.each(['/', '//', '/..', 'data', '', '/proc', '/sys/fs', '/dev/shm/'])(
    'are refused at %j',
    (path) => {
      expect(() => of(path)).toThrow(expect.objectContaining({ code: 'SANDBOX_FAILED' }))
    }
  )

  test.each([INSIDE, `${LEASE_INSIDE}/x`, `${INSIDE}/steps/1.out`, `${SECRETS_INSIDE}/db`])(
    'are refused among what is ours: at %j',
    (path) => {
      expect(() => of(path)).toThrow(expect.objectContaining({ code: 'SANDBOX_FAILED' }))
    }
  )

  test('are none of ours by a name that only begins alike', () => {
    const alike = [`${INSIDE}-data`, `${SECRETS_INSIDE}-old`, SECRETS_INSIDE]
    expect(of(...alike)).toEqual(alike)
  })

  test('are refused where there are too many', () => {
    const many = Array.from({ length: 17 }, (_, at) => `/v${at}`)
    expect(of(...many.slice(1))).toHaveLength(16)
    expect(() => of(...many)).toThrow(/declares 17 volumes, 16 are allowed/)
  })

  test('are in memory for a stranger, but for the places that he has there already', () => {
    const resources = { cpuMilli: 1_000, memoryBytes: 1_000_000 }
    const who = { jobId: 'R.0', epoch: 1, claimId: 'c', peerId: 'p', storeId: 's', volume: 'v' }
    const files = { imageId: 'i', leaseDir: '', busybox: '', guard: '' }
    const below = `${WORKSPACE_INSIDE}/x`
    const imageVolumes = ['/data', '/tmp', below]
    const volumes = STRICT.volumes({ ...who, ...files, resources, imageVolumes })
    const targets = volumes.map(({ target }) => target)

    expect(targets.filter((target) => target === '/tmp')).toHaveLength(1)
    expect(targets).toEqual(expect.arrayContaining(['/data', below]))
    expect(volumes.every(({ memory }) => memory !== undefined)).toBe(true)
    expect(new Set(volumes.map(({ suffix }) => suffix)).size).toBe(volumes.length)
  })
})
