import { expect, test } from 'vitest'
import { imageLabels } from '../../../agent/execute/image-labels.ts'
import { STANDARD } from '../../../agent/execute/profile-standard.ts'
import { containerBody } from '../../../agent/execute/sandbox-profile.ts'
import { IMAGE_LABEL_BYTES_MAX } from '../../../protocol/core/image-limits.ts'

test('the labels of an image are refused where their names are too long together', () => {
  const half = 'é'.repeat(IMAGE_LABEL_BYTES_MAX / 4)

  expect(imageLabels('R.0', { labels: [half, half] })).toEqual([half, half])
  expect(() => imageLabels('R.0', { labels: [half, half, 'x'] })).toThrow(
    expect.objectContaining({ code: 'SANDBOX_FAILED' })
  )
})

test('no label of an image is on its container with a value, and none stands for one of ours', () => {
  const who = { jobId: 'R.0', epoch: 1, claimId: 'c', peerId: 'p', storeId: 's', volume: 'v' }
  const files = { imageId: 'i', leaseDir: '', busybox: '', guard: '' }
  const limits = { openFiles: 1_024, processes: 1_024 }
  const host = {
    cgroup: 1,
    apparmor: false,
    cpus: 1,
    swapLimit: true,
    limits,
    userBase: 0
  } as const
  const imageLabels = ['exitCode', 'traefik.enable', 'runner-mesh.claim', 'runner-mesh.service']
  const resources = { cpuMilli: 1_000, memoryBytes: 1_000_000 }
  const request = { ...who, ...files, resources, imageLabels }
  const { Labels } = containerBody(STANDARD, request, { ...host, runtime: undefined })

  expect(Labels).toMatchObject({
    exitCode: '',
    'traefik.enable': '',
    'runner-mesh.claim': 'c',
    'runner-mesh.service': ''
  })
})
