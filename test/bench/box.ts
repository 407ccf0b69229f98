import { randomBytes } from 'node:crypto'
import { Engine } from '../../agent/execute/engine.ts'
import type { ContainerBody, LocalImage } from '../../agent/execute/engine-types.ts'
import { sandboxHost } from '../../agent/execute/ground.ts'
import { BUSYBOX_INSIDE } from '../../agent/execute/guard.ts'
import { STANDARD } from '../../agent/execute/profile-standard.ts'
import { containerBody } from '../../agent/execute/sandbox-profile.ts'
import { BASE_IMAGE, ensureBaseImage } from '../../deploy/base-image.ts'
import { median, rounded } from './figures.ts'

/** Medians are over this many containers of each kind. */
const ROUNDS = 15
const WARM_UP = 2

export interface BoxReport {
  readonly bench: 'box'
  /** Milliseconds to make and start a container of profile `standard`. */
  readonly our_filter_ms: number
  /** The same with the engine's own filter. */
  readonly engine_filter_ms: number
  /** Extra time of ours, of the pairs that ran one after the other. */
  readonly difference_ms: number
  readonly rounds: number
}

/** What our filter costs at the start of a container, in turns with the engine's. */
export async function box(): Promise<BoxReport> {
  const engine = Engine.local(process.env['DOCKER_HOST'])
  await ensureBaseImage(engine)
  const image = await engine.image(BASE_IMAGE)
  if (image === undefined) throw new Error(`${BASE_IMAGE} was not loaded`)
  const ours = await bodyOf(engine, image)
  const theirs = withoutFilter(ours)
  const [filtered, unfiltered]: [number[], number[]] = [[], []]
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    // Each goes first as often as the other.
    const first = round % 2 === 0
    const early = await timed(engine, image, first ? ours : theirs)
    const late = await timed(engine, image, first ? theirs : ours)
    if (round < 0) continue
    filtered.push(first ? early : late)
    unfiltered.push(first ? late : early)
  }
  return {
    bench: 'box',
    our_filter_ms: rounded(median(filtered)),
    engine_filter_ms: rounded(median(unfiltered)),
    difference_ms: rounded(median(filtered.map((ms, round) => ms - (unfiltered[round] ?? ms)))),
    rounds: ROUNDS
  }
}

async function bodyOf(engine: Engine, image: LocalImage): Promise<ContainerBody> {
  const ours = { jobId: 'bench', epoch: 0, claimId: 'bench', peerId: 'bench', storeId: '' }
  const files = { volume: '', leaseDir: '', busybox: '/bin/busybox', guard: '' }
  const resources = { cpuMilli: 1_000, memoryBytes: 67_108_864 }
  const host = await sandboxHost(await engine.info())
  const body = containerBody(STANDARD, { ...ours, ...files, imageId: image.id, resources }, host)
  const Mounts = body.HostConfig.Mounts.filter(({ Target }) => Target === BUSYBOX_INSIDE)
  return {
    ...body,
    Labels: { 'runner-mesh-bench.box': 'box' },
    Entrypoint: [BUSYBOX_INSIDE, 'sleep', '60'],
    HostConfig: { ...body.HostConfig, Mounts }
  }
}

function withoutFilter(body: ContainerBody): ContainerBody {
  const options = body.HostConfig['SecurityOpt'] as readonly string[]
  const SecurityOpt = options.filter((option) => !option.startsWith('seccomp='))
  return { ...body, HostConfig: { ...body.HostConfig, SecurityOpt } }
}

async function timed(engine: Engine, image: LocalImage, body: ContainerBody): Promise<number> {
  const name = `runner-mesh-bench-${randomBytes(4).toString('hex')}`
  const startedMs = performance.now()
  try {
    await engine.start(await engine.create(name, image.platform, body))
    return performance.now() - startedMs
  } finally {
    await engine.remove(name)
  }
}
