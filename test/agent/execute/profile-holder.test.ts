import { expect, test } from 'vitest'
import type { ContainerBody, Mount } from '../../../agent/execute/engine-types.ts'
import { BUSYBOX_INSIDE, GUARD_COMMAND, LEASE_INSIDE } from '../../../agent/execute/guard.ts'
import { holderBody } from '../../../agent/execute/profile-holder.ts'
import { SECCOMP_OPTION } from '../../../agent/execute/seccomp-filter.ts'

const PARTS = { image: 'sha256:nothing', kit: '/state/nft', kitInside: '/.runner-mesh/nft' }
const LABELS = { 'runner-mesh.peer': 'p', 'runner-mesh.claim': 'c' }

const bind = (Target: string): Mount => {
  return { Type: 'bind', Source: `/host${Target}`, Target, ReadOnly: true }
}
const workspace: Mount = { Type: 'volume', Source: 'v', Target: '/work', ReadOnly: false }

function job(...mounts: readonly Mount[]): ContainerBody {
  return {
    ...{ Image: 'sha256:job', User: '10002:10002', WorkingDir: '/', Cmd: [], Env: [] },
    Entrypoint: ['whatever'],
    Labels: { ...LABELS, 'runner-mesh.profile': 'strict' },
    Healthcheck: { Test: ['NONE'] },
    ...{ StopSignal: 'SIGTERM', StopTimeout: 10, Tty: false, OpenStdin: false },
    HostConfig: {
      ...{ CapDrop: ['ALL'], CapAdd: ['CHOWN'], Privileged: false, Memory: 1e9, MemorySwap: 1e9 },
      ...{ SecurityOpt: ['no-new-privileges:true', 'seccomp={}'], NetworkMode: 'its-own' },
      Mounts: mounts
    }
  }
}

test("a holder has one right, little room, and nothing of the job's image or files", () => {
  const body = job(bind(LEASE_INSIDE), bind(BUSYBOX_INSIDE), workspace)
  const made = holderBody(body, LABELS, PARTS)
  expect(made).toMatchObject({
    ...{ Image: 'sha256:nothing', User: '0:0', Entrypoint: GUARD_COMMAND },
    Labels: { ...LABELS, 'runner-mesh.profile': 'holder' }
  })
  expect(made.HostConfig).toMatchObject({
    ...{ CapDrop: ['ALL'], CapAdd: ['NET_ADMIN'], Privileged: false, ReadonlyRootfs: true },
    ...{ PidsLimit: 16, Memory: 16_777_216, MemorySwap: 16_777_216 },
    ...{ SecurityOpt: ['no-new-privileges:true', SECCOMP_OPTION], NetworkMode: 'its-own' }
  })
  expect(made.HostConfig.Mounts.map(({ Target }) => Target)).toEqual([
    LEASE_INSIDE,
    BUSYBOX_INSIDE,
    PARTS.kitInside
  ])
  expect(made.HostConfig.Mounts.every(({ ReadOnly }) => ReadOnly)).toBe(true)
})

test('one of a trial, which has no lease, ends by itself', () => {
  const made = holderBody(job(bind(BUSYBOX_INSIDE)), LABELS, PARTS)
  expect(made.Entrypoint).toEqual([BUSYBOX_INSIDE, 'sleep', '60'])
})

test("a holder has none of the job's GPUs, nor its groups, nor what its image says of them", () => {
  const body = job(bind(LEASE_INSIDE))
  const gpus = {
    Devices: [{ PathOnHost: '/dev/kfd' }],
    DeviceRequests: [{ Driver: 'cdi' }],
    GroupAdd: ['109']
  }
  const env = ['NVIDIA_VISIBLE_DEVICES=GPU-1']
  const made = holderBody(
    { ...body, Env: env, HostConfig: { ...body.HostConfig, ...gpus } },
    LABELS,
    PARTS
  )

  expect(made.HostConfig).toMatchObject({ Devices: [], DeviceRequests: [], GroupAdd: [] })
  expect(made.Env).toEqual(['NVIDIA_VISIBLE_DEVICES=void', 'AMD_VISIBLE_DEVICES=void'])
})
