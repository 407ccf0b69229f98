import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { ContainerSandbox } from '../../agent/execute/container-sandbox.ts'
import { DeadlineFile } from '../../agent/execute/deadline-file.ts'
import { Engine } from '../../agent/execute/engine.ts'
import type { LocalImage } from '../../agent/execute/engine-types.ts'
import { type Ground, layGround } from '../../agent/execute/ground.ts'
import { STANDARD } from '../../agent/execute/profile-standard.ts'
import { containerBody } from '../../agent/execute/sandbox-profile.ts'
import { BASE_IMAGE, ensureBaseImage } from '../../deploy/base-image.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { median, rounded } from './figures.ts'

/** Medians are over this many of each kind. */
const ROUNDS = 21
const WARM_UP = 2
const LEASE_MS = 20_000
const CLEAN_UP_MS_MAX = 10_000
const RESOURCES = { cpuMilli: 1_000, memoryBytes: 67_108_864 }
/** A tar archive of nothing: the two blocks that end one. */
const NO_SOURCE = Buffer.alloc(1_024)
const SAY = 'echo first line'

export interface SandboxReport {
  readonly bench: 'sandbox'
  /** Milliseconds from the call to the first line, of `docker run IMAGE` on the engine's bridge. */
  readonly plain_ms: number
  /** The same without a network, as our boxes are. */
  readonly plain_no_network_ms: number
  /** Volume, container, read-back, start under the guard, an empty source, a step's first line. */
  readonly ours_ms: number
  readonly ratio: number
  readonly ratio_no_network: number
  readonly rounds: number
}

interface Bench {
  readonly engine: Engine
  readonly image: LocalImage
  readonly ground: Ground
  readonly root: string
}

/** What the hardened box costs until a job's first line, in turns with the engine's plain one. */
export async function sandbox(): Promise<SandboxReport> {
  const engine = Engine.local(process.env['DOCKER_HOST'])
  await ensureBaseImage(engine)
  const image = await engine.image(BASE_IMAGE)
  if (image === undefined) throw new Error(`${BASE_IMAGE} was not loaded`)
  const root = await mkdtemp(join(tmpdir(), 'runner-mesh-bench-'))
  try {
    const bench = {
      engine,
      image,
      root,
      ground: await layGround(engine, join(root, 'workspaces'), [])
    }
    return await measured(bench)
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

async function measured(bench: Bench): Promise<SandboxReport> {
  const kinds = [() => plain([]), () => plain(['--network', 'none']), () => ours(bench)]
  const times: number[][] = kinds.map(() => [])
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    // Each is first, second and third as often as the others.
    for (let turn = 0; turn < kinds.length; turn++) {
      const kind = (round + WARM_UP + turn) % kinds.length
      const ms = await kinds[kind]?.()
      if (round >= 0 && ms !== undefined) times[kind]?.push(ms)
    }
  }
  const [plainMs, alone, hardened] = times.map((one) => median(one)) as [number, number, number]
  return {
    bench: 'sandbox',
    plain_ms: rounded(plainMs),
    plain_no_network_ms: rounded(alone),
    ours_ms: rounded(hardened),
    ratio: Math.round((hardened / plainMs) * 100) / 100,
    ratio_no_network: Math.round((hardened / alone) * 100) / 100,
    rounds: ROUNDS
  }
}

/** Its own command, as somebody would type it, up to its first line. */
async function plain(flags: readonly string[]): Promise<number> {
  const name = `runner-mesh-bench-${randomBytes(4).toString('hex')}`
  const startedMs = performance.now()
  let firstMs: number | undefined
  const run = promisify(execFile)('docker', [
    'run',
    '--rm',
    '--name',
    name,
    ...flags,
    BASE_IMAGE,
    'sh',
    '-c',
    SAY
  ])
  run.child.stdout?.once('data', () => {
    firstMs = performance.now() - startedMs
  })
  await run
  if (firstMs === undefined) throw new Error('docker run said nothing')
  return firstMs
}

async function ours({ engine, image, ground, root }: Bench): Promise<number> {
  const [jobId, claimId] = ['BENCH.0', randomBytes(16).toString('hex')]
  const [name, volume] = [`runner-mesh-bench-${claimId}`, `runner-mesh-bench-${claimId}`]
  const startedMs = performance.now()
  const clock = systemClock()
  const lease = await DeadlineFile.create(join(root, 'leases'), jobId, claimId, clock)
  await lease.write(clock.bootMs() + LEASE_MS)
  const who = { jobId, claimId, epoch: 1, peerId: 'bench', storeId: 'bench' }
  const files = { leaseDir: lease.dir, busybox: '/bin/busybox', guard: ground.guard, volume }
  const request = { ...who, ...files, imageId: image.id, resources: RESOURCES }
  const body = containerBody(STANDARD, request, ground.host)
  const limits = { resources: RESOURCES, cleanUpMsMax: CLEAN_UP_MS_MAX }
  const box = new ContainerSandbox(
    { engine, clock, log: silentLog() },
    { jobId, name, image, profile: STANDARD, body, ...limits }
  )
  const { signal } = new AbortController()
  let firstMs: number | undefined
  try {
    await box.create(signal)
    await box.start(signal)
    await box.unpack(Readable.from([NO_SOURCE]), signal)
    const onOutput = (): void => {
      firstMs ??= performance.now() - startedMs
    }
    await box.run({ step: 0, script: SAY, env: [], onOutput }, signal)
  } finally {
    await box.close()
    await lease.remove()
  }
  if (firstMs === undefined) throw new Error('the step said nothing')
  return firstMs
}
