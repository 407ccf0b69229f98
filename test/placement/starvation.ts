import { ROOM_KEPT_AFTER_MS } from '../../protocol/core/placement-limits.ts'
import { GIB, sampleAd, sampleSpec } from '../support/arbitrary-board.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import type { Work } from './jobs.ts'
import { SimulatedMesh } from './mesh.ts'

/*
 * A few jobs that want a whole host each, on a mesh that has always more small ones than it can
 * take. Whatever room comes free is enough for a small one first.
 */

const HOSTS = 8
const CORES = 16
const LARGE_JOBS = 4
const MINUTE = 60_000
const STREAM_MS = 25 * MINUTE
const SMALL_EVERY_MS = 1_300
const SMALL_MS: readonly [number, number] = [MINUTE / 2, 4 * MINUTE]

export interface Starvation {
  /** Large jobs that began within the time of the stream. */
  readonly begun: number
  readonly of: number
  /** The longest that one of them waited; those that have not begun, until the end. */
  readonly longestWaitMs: number
  /** What none may wait longer than: for its time to come, then once for all that is before it. */
  readonly boundMs: number
}

export function starvation(seed: number, keepsRoom: boolean): Starvation {
  const capacity = { cpuMilli: 0, memoryBytes: 0, diskBytes: 4_000 * GIB, jobs: 64 }
  const size = { ...capacity, cpuMilli: CORES * 1_000, memoryBytes: 128 * GIB }
  const hosts = Array.from({ length: HOSTS }, (_, index) => {
    return sampleAd({ peerId: `h${index}`, name: `h${index}`, capacity: size, free: size })
  })
  const works = stream(new SeededRandom(seed))
  const large = works.flatMap((work, index) => {
    return work.repository === 'team/large' ? [`R${index}.0`] : []
  })
  const isDone = (mesh: SimulatedMesh): boolean =>
    mesh.events.nowMs >= STREAM_MS || large.every((jobId) => mesh.placed.has(jobId))
  const mesh = new SimulatedMesh(hosts, { seed, keepsRoom, isOver: isDone })
  mesh.play(works)
  const waits = large.map((jobId) => {
    const announcedAtMs = works[Number(jobId.slice(1, -2))]?.announcedAtMs ?? 0
    return (mesh.placed.get(jobId)?.startMs ?? mesh.events.nowMs) - announcedAtMs
  })
  return {
    begun: large.filter((jobId) => mesh.placed.has(jobId)).length,
    of: large.length,
    longestWaitMs: Math.round(Math.max(...waits)),
    boundMs: ROOM_KEPT_AFTER_MS + LARGE_JOBS * SMALL_MS[1]
  }
}

function stream(random: SeededRandom): readonly Work[] {
  const works: Work[] = []
  for (let atMs = 0; atMs < STREAM_MS; atMs += SMALL_EVERY_MS) {
    works.push(workOf(`team/s${random.between(0, 4)}`, random.between(1, 3), atMs, random))
  }
  for (let index = 0; index < LARGE_JOBS; index += 1) {
    works.push(workOf('team/large', CORES, (3 + index) * MINUTE, random))
  }
  return works.sort((a, b) => a.announcedAtMs - b.announcedAtMs)
}

function workOf(repository: string, cores: number, atMs: number, random: SeededRandom): Work {
  const resources = { cpuMilli: cores * 1_000, memoryBytes: cores * GIB, diskBytes: GIB }
  const spec = sampleSpec({ resources })
  return { spec, repository, announcedAtMs: atMs, nativeMs: random.between(...SMALL_MS) }
}
