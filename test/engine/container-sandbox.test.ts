import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ContainerSandbox } from '../../agent/execute/container-sandbox.ts'
import { DeadlineFile } from '../../agent/execute/deadline-file.ts'
import { Engine } from '../../agent/execute/engine.ts'
import { layGround } from '../../agent/execute/ground.ts'
import { NO_NETWORK, standardProfile } from '../../agent/execute/sandbox-profile.ts'
import { BASE_IMAGE, ensureBaseImage } from '../../deploy/base-image.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { type SandboxMaker, sandboxContract } from '../support/sandbox-contract.ts'

const LEASE_MS = 25_000

async function open(): Promise<SandboxMaker> {
  const engine = Engine.local(undefined)
  await ensureBaseImage(engine)
  const clock = systemClock()
  const root = await mkdtemp(join(tmpdir(), 'runner-mesh-contract-'))
  const ground = await layGround(engine, join(root, 'workspaces'))
  const peerId = `test-${randomBytes(8).toString('hex')}`
  const mine = { 'runner-mesh.peer': peerId }
  const image = await engine.image(BASE_IMAGE)
  if (image === undefined) throw new Error(`${BASE_IMAGE} was not loaded`)

  async function make(memoryBytes = 67_108_864): ReturnType<SandboxMaker['make']> {
    const claimId = randomBytes(16).toString('hex')
    const jobId = `contract.${claimId.slice(0, 6)}`
    const deadline = await DeadlineFile.create(join(root, 'leases'), jobId, claimId)
    await deadline.write(clock.bootMs() + LEASE_MS)
    const name = `runner-mesh-${jobId}`
    const volume = `${name}-source`
    const resources = { cpuMilli: 1_000, memoryBytes }
    const request = { imageId: image?.id ?? '', jobId, claimId, peerId, volume, resources }
    const rest = {
      network: NO_NETWORK,
      epoch: 1,
      storeId: 'store',
      leaseDir: deadline.dir,
      guard: ground.guard
    }
    const body = standardProfile({ ...request, ...rest, busybox: '/bin/busybox' }, ground.host)
    const options = { jobId, name, volume, image: image ?? never(), body, cleanUpMsMax: 30_000 }
    const sandbox = new ContainerSandbox({ engine, log: silentLog() }, options)
    return {
      sandbox,
      exists: async () => {
        const labels = { 'runner-mesh.claim': claimId }
        const left = [...(await engine.containers(labels)), ...(await engine.volumes(labels))]
        return left.length > 0
      },
      endLease: () => deadline.write(clock.bootMs() + 300)
    }
  }

  async function stop(): Promise<void> {
    for (const { name } of await engine.containers(mine)) await engine.remove(name)
    for (const { name } of await engine.volumes(mine)) await engine.removeVolume(name)
    await rm(root, { recursive: true, force: true })
  }

  return { make, stop }
}

function never(): never {
  throw new Error('no image')
}

sandboxContract('a container', open)
