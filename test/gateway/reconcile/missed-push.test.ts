import { type AddressInfo, connect, createServer } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { CommitCache } from '../../../gateway/forge/commit-cache.ts'
import type { HeadsRow } from '../../../gateway/reconcile/heads-row.ts'
import { RepositoryLook } from '../../../gateway/reconcile/repository-look.ts'
import { Repositories } from '../../../gateway/repositories.ts'
import { SourceDoor } from '../../../gateway/source-door.ts'
import { systemClock } from '../../../protocol/host/clock.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { runIdOfOrigin } from '../../../protocol/wire/run-id.ts'
import { eventually } from '../../support/eventually.ts'
import type { FakeForgeKind } from '../../support/fake-forge-world.ts'
import { HMAC_VECTOR } from '../../support/forge-delivery.ts'
import { forgeRig, noEnd } from '../../support/forge-rig.ts'
import { PIPELINE, repositoryOf } from '../../support/gateway-rig.ts'
import { GITLAB_TOKEN } from '../../support/gitlab-delivery.ts'
import { HttpRig } from '../../support/http-rig.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

/* A forge, its hook and a gateway's whole HTTP side, with a real inbox and real repositories. */

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 })

const clock = systemClock()

/** In front of the gateway, and nothing behind it until it is opened. */
async function frontOf(port: number) {
  const state = { isOpen: false }
  const server = createServer((socket) => {
    if (!state.isOpen) return socket.destroy()
    const behind = connect(port, '127.0.0.1')
    for (const each of [socket, behind]) each.on('error', () => undefined)
    socket.pipe(behind).pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { state, port: (server.address() as AddressInfo).port }
}

const KINDS: readonly FakeForgeKind[] = ['gitea', 'forgejo', 'github', 'gitlab']

async function rig(kind: FakeForgeKind) {
  const { forge, repository, apis, credentials, holder } = await forgeRig(kind, { isPrivate: true })
  const secret = kind === 'gitlab' ? GITLAB_TOKEN : HMAC_VECTOR.secret
  const declared = {
    ...repositoryOf(kind, 'team/kernel', { url: holder.url, secret }),
    credential: 'forge'
  }
  const access = (_repository: unknown, signal: AbortSignal) => credentials.access(holder, signal)
  const commits = new CommitCache(
    { log: silentLog(), access },
    { dir: `${await temporaryFolder()}/cache` }
  )
  const http = await HttpRig.make({ repositories: new Repositories([declared]), commits })
  onTestFinished(() => http.stop())
  await http.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = http.app.server.address() as AddressInfo
  const { inbox } = http.store
  const disk = { problem: undefined }
  const door = new SourceDoor({ inbox, intake: http.intake, disk, runIdOf: runIdOfOrigin })
  const parts = { apis, access, door, clock, log: silentLog() }
  let row: HeadsRow | undefined
  const settle = async (): Promise<void> => {
    const look = new RepositoryLook(parts)
    for (let isUnsettled = true; isUnsettled; ) {
      const looked = await look.look(declared, row, noEnd())
      row = looked.row
      isUnsettled = looked.isUnsettled
    }
  }
  const hook = (at: number) =>
    forge.addHook(repository, `http://127.0.0.1:${at}/hooks/${kind}`, secret)
  return { forge, repository, http, settle, hook, port }
}

test.each(KINDS)(
  '%s: a push that nobody took is one run, also when its delivery comes after all',
  async (kind) => {
    const { forge, repository, http, settle, hook, port } = await rig(kind)
    await repository.commit({ '.runner-mesh.yml': PIPELINE })
    await settle()
    hook(9)
    const after = await repository.commit({ '.runner-mesh.yml': PIPELINE, a: '2' })
    const [lost] = await forge.push(repository, { ref: 'refs/heads/main', after })

    await settle()
    const [run] = await eventually('the run is recorded', () => {
      return http.registers.chosen.size === 1 && [...http.registers.chosen.values()]
    })
    const live = hook(port)
    if (lost === undefined) throw new Error('no delivery')
    const late = await forge.redeliver(live, lost)
    await settle()

    expect(lost.status).toBe(0)
    expect(late.status).toBe(202)
    expect(run?.announcement.manifest).toMatchObject({
      origin: { commit: after, event: 'push', repositoryId: String(repository.id) },
      error: undefined
    })
    expect(http.registers.chosen.size).toBe(1)
  }
)

test.each(['github', 'gitlab'] as const)(
  '%s: a push that was lost while the gateway was away comes with its pusher',
  async (kind) => {
    const { forge, repository, http, settle, hook, port } = await rig(kind)
    await repository.commit({ '.runner-mesh.yml': PIPELINE })
    await settle()
    const front = await frontOf(port)
    hook(front.port)
    const after = await repository.commit({ '.runner-mesh.yml': PIPELINE, a: '2' })
    const [lost] = await forge.push(repository, { ref: 'refs/heads/main', after, pusher: 'lena' })

    front.state.isOpen = true
    await settle()
    const [run] = await eventually('the run is recorded', () => {
      return http.registers.chosen.size > 0 && [...http.registers.chosen.values()]
    })

    expect(lost?.status).toBe(0)
    expect(run?.announcement.manifest).toMatchObject({ pusher: 'lena', origin: { commit: after } })
    expect(http.registers.chosen.size).toBe(1)
  }
)

test('a push whose hook arrives is not handed in by a look', async () => {
  const { forge, repository, http, settle, hook, port } = await rig('gitea')
  await repository.commit({ '.runner-mesh.yml': PIPELINE })
  await settle()
  hook(port)
  const after = await repository.commit({ '.runner-mesh.yml': PIPELINE, a: '2' })
  await forge.push(repository, { ref: 'refs/heads/main', after, pusher: 'lena' })

  await settle()
  const [run] = await eventually('the run is recorded', () => {
    return http.registers.chosen.size > 0 && [...http.registers.chosen.values()]
  })

  expect(run?.announcement.manifest.pusher).toBe('lena')
  const { deliveries } = await http.store.inbox.list(9, undefined)
  expect(deliveries).toHaveLength(1)
})
