import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ContainerSandbox } from '../../agent/execute/container-sandbox.ts'
import { DeadlineFile } from '../../agent/execute/deadline-file.ts'
import type { Engine } from '../../agent/execute/engine.ts'
import { layGround } from '../../agent/execute/ground.ts'
import { containerBody, type Profile } from '../../agent/execute/sandbox-profile.ts'
import { BASE_IMAGE, ensureBaseImage } from '../../deploy/base-image.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { silentLog } from '../../protocol/host/log.ts'
import type { SandboxMaker } from './sandbox-contract.ts'

const LEASE_MS = 25_000

/** Makes real containers of a profile, with a lease each, in an engine. */
export async function containerMaker(engine: Engine, profile: Profile): Promise<SandboxMaker> {
  await ensureBaseImage(engine)
  const clock = systemClock()
  const root = await mkdtemp(join(tmpdir(), 'runner-mesh-contract-'))
  const ground = await layGround(engine, join(root, 'workspaces'), [])
  const peerId = `test-${randomBytes(8).toString('hex')}`
  const mine = { 'runner-mesh.peer': peerId }
  const image = await engine.image(BASE_IMAGE)
  if (image === undefined) throw new Error(`${BASE_IMAGE} was not loaded`)

  async function make(memoryBytes = 67_108_864): ReturnType<SandboxMaker['make']> {
    const claimId = randomBytes(16).toString('hex')
    const jobId = `contract.${claimId.slice(0, 6)}`
    const deadline = await DeadlineFile.create(join(root, 'leases'), jobId, claimId, clock)
    await deadline.write(clock.bootMs() + LEASE_MS)
    const name = `runner-mesh-${jobId}`
    const volume = `${name}-source`
    const resources = { cpuMilli: 1_000, memoryBytes }
    const request = { imageId: image?.id ?? '', jobId, claimId, peerId, volume, resources }
    const rest = { epoch: 1, storeId: 'store', leaseDir: deadline.dir, guard: ground.guard }
    const body = containerBody(
      profile,
      { ...request, ...rest, busybox: '/bin/busybox' },
      ground.host
    )
    const limits = { resources, cleanUpMsMax: 30_000 }
    const options = { jobId, name, image: image ?? never(), profile, body, ...limits }
    const sandbox = new ContainerSandbox({ engine, clock, log: silentLog() }, options)
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
