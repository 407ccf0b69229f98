import { expect, test } from 'vitest'
import { Board } from '../../../../protocol/core/board.ts'
import { jobIdOf, type SealedAnnouncement } from '../../../../protocol/core/run.ts'
import { silentLog } from '../../../../protocol/host/log.ts'
import { Reannouncer } from '../../../../protocol/mesh/board/reannouncer.ts'
import type { MemoryMesh } from '../../../support/memory-mesh.ts'
import { openMesh } from '../../../support/open-mesh.ts'

interface Said {
  readonly by: string
  readonly atMs: number
  readonly repeat: number
}

/** A reannouncer for each witness of the run; those in `down` do not live. */
function start(mesh: MemoryMesh, sealed: SealedAnnouncement, down: ReadonlySet<string>) {
  const said: Said[] = []
  const startMs = mesh.clock.bootMs()
  const parts = mesh.peers.map((peer) => {
    const board = new Board()
    board.addRun(sealed, mesh.clock.wallMs())
    const linked = () => {
      const others = mesh.peers.filter((other) => other !== peer && !down.has(other.peerId))
      return new Set(others.map(({ peerId }) => peerId))
    }
    const announce = async (_sealed: SealedAnnouncement, repeat: number) => {
      said.push({ by: peer.peerId, atMs: mesh.clock.bootMs() - startMs, repeat })
    }
    const reannouncer = new Reannouncer({
      board,
      sets: peer.sets,
      clock: mesh.clock,
      peerId: peer.peerId,
      linked,
      announce,
      firstMs: () => 500,
      log: silentLog()
    })
    if (!down.has(peer.peerId)) reannouncer.start()
    return { board, reannouncer }
  })
  return { said, parts }
}

function orderOf(mesh: MemoryMesh, sealed: SealedAnnouncement): readonly string[] {
  const set = mesh.peer(0).sets.of(sealed.announcement.runId, 1)
  return (set?.witnesses ?? []).map(({ peerId }) => peerId)
}

test('the first witness that lives says it again, more and more seldom, never the same twice', async () => {
  const mesh = await openMesh()
  const sealed = mesh.announce()
  const [first = '', second = ''] = orderOf(mesh, sealed)
  const { said, parts } = start(mesh, sealed, new Set([first]))

  await mesh.clock.advance(200_000)

  expect(new Set(said.map(({ by }) => by))).toEqual(new Set([second]))
  const gaps = said.slice(1).map(({ atMs }, index) => atMs - (said[index]?.atMs ?? 0))
  expect(said[0]?.atMs).toBeLessThanOrEqual(1_000)
  expect(gaps.slice(0, 4)).toEqual([1_000, 2_000, 4_000, 8_000])
  expect(gaps.at(-1)).toBe(60_000)
  expect(said.map(({ repeat }) => repeat)).toEqual(said.map((_, index) => index + 1))
  for (const { reannouncer } of parts) await reannouncer.stop()
})

test('a run whose jobs are all claimed or ended is not said again, nor one that expired', async () => {
  const mesh = await openMesh()
  const [gateway, agent] = [mesh.peer(0), mesh.peer(1)]
  const sealed = mesh.announce()
  const { said, parts } = start(mesh, sealed, new Set())
  await mesh.settle(gateway.record(sealed))
  await mesh.settle(agent.create(sealed))
  const claimed = await mesh.settle(agent.claim(sealed))
  for (const { board } of parts) {
    const isLeased = claimed.kind === 'applied' && claimed.value.kind === 'job'
    if (isLeased) board.foldJob(claimed.value, mesh.clock.wallMs())
  }
  const before = said.length

  await mesh.clock.advance(100_000)

  expect(said.length).toBe(before)
  expect(parts[0]?.board.job(jobIdOf(sealed.announcement.runId, 0))?.state?.phase).toBe('leased')
  for (const { reannouncer } of parts) await reannouncer.stop()

  const late = mesh.announce({ commit: 'beef' })
  mesh.clock.jumpWall(2 * 86_400_000)
  const expired = start(mesh, late, new Set())
  await mesh.clock.advance(5_000)
  expect(expired.said).toEqual([])
  for (const { reannouncer } of expired.parts) await reannouncer.stop()
  // What is left are the two sweeps of each witness.
  expect(mesh.clock.armed()).toBe(2 * mesh.peers.length)
})
