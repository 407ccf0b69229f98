import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { ForgeName } from '../../gateway/hooks/forge-hook.ts'
import { eventually } from '../support/eventually.ts'
import { SECRET } from '../support/forge-gateway.ts'
import { type Attempt, ForgeMesh } from '../support/forge-mesh.ts'
import { type ForgeSide, forgeSide, pullFromFork, type Sent } from '../support/forge-side.ts'

/** Of a real process on a machine that others load. */
const CELL_MS_MAX = 120_000
const STATUS_MS_MAX = 60_000
/** What no hook has brought is found by the second look after a start. */
const FOUND_MS_MAX = 60_000

vi.setConfig({ testTimeout: CELL_MS_MAX, hookTimeout: CELL_MS_MAX })

const PIPELINE = [
  "on: { push: { branches: [main] }, tag: { tags: ['v*'] }, pull_request: {} }",
  'jobs:',
  '  build:',
  "    image: 'debian:13'",
  `    secrets: [${SECRET}]`,
  '    steps: [{ run: make }]',
  ''
].join('\n')

/** What a stranger would rather have run. */
const STRANGE_PIPELINE = PIPELINE.replace('build:', 'steal:')

/** Of pushes and tags; those of pull requests are apart from them. */
const PUSH = 'runner-mesh'
const PULL = 'runner-mesh-pr'

/** One kind of Git server against the real gateway, which is killed at each point of its work. */
class Cells {
  readonly side: ForgeSide
  readonly mesh: ForgeMesh
  /** Of the cells so far. */
  readonly runs: string[] = []

  constructor(mesh: ForgeMesh) {
    this.mesh = mesh
    this.side = mesh.side
  }

  /** A commit that only this cell knows, at the head of `branch`. */
  commit(name: string, branch = 'main'): Promise<string> {
    return this.side.repository.commit({ '.runner-mesh.yml': PIPELINE, 'cell.txt': name }, branch)
  }

  async push(name: string): Promise<{ readonly commit: string; readonly sent: Promise<Sent[]> }> {
    const ref = 'refs/heads/main'
    const before = await this.side.repository.commitOf(ref)
    const commit = await this.commit(name)
    const sent = this.side.push({ ref, before, after: commit }).then((all) => [...all])
    return { commit, sent }
  }

  /** The commit has one run; it ends, and its Git server hears so and nothing later. */
  async ends(commit: string, name: string = PUSH): Promise<Attempt> {
    const run = await this.mesh.runOf(commit, FOUND_MS_MAX)
    const attempt = await this.mesh.finish(run)
    await this.heard(commit, name)
    return attempt
  }

  async heard(commit: string, name: string): Promise<void> {
    const contexts = [name, `${name}/build`]
    const last = (context: string) => {
      return this.side.said(commit).findLast((each) => each.context === context)?.state
    }
    await eventually(
      `${commit} is green: ${JSON.stringify(this.side.said(commit))}`,
      () => contexts.every((context) => last(context) === 'succeeded'),
      STATUS_MS_MAX
    )
    const said = this.side.said(commit)
    expect(new Set(said.map(({ context }) => context))).toEqual(new Set(contexts))
    for (const context of contexts) {
      const states = said.filter((each) => each.context === context).map(({ state }) => state)
      // Never backwards: what goes on, then the end, said once or more.
      const ended = states.slice(states.indexOf('succeeded'))
      expect(ended.every((state) => state === 'succeeded')).toBe(true)
    }
    const runs = this.mesh.runsOf(commit)
    expect(runs).toHaveLength(1)
    this.runs.push(...runs)
  }

  /** Its run waits for a person, which its Git server is told; resolves with the run's id. */
  async waits(commit: string): Promise<string> {
    const { gateway } = this.mesh
    const run = await eventually(
      `${commit} waits for an approval`,
      async () => (await gateway.runs('state=waiting')).find((each) => each.commit === commit),
      STATUS_MS_MAX
    )
    await eventually(
      `${commit} is said to wait`,
      () => this.side.said(commit).at(-1)?.state === 'going on',
      STATUS_MS_MAX
    )
    expect(this.mesh.runsOf(commit)).toEqual([])
    return run.id
  }

  /** Killed as `reached` resolves; what was held is let go only then. */
  async crash(reached: Promise<void>, open: () => void): Promise<void> {
    await reached
    await this.mesh.gateway.kill()
    open()
    await this.mesh.gateway.start()
  }
}

/** All cells of one kind: they share a mesh, and each has commits of its own. */
export function matrix(kind: ForgeName): void {
  let cells: Cells | undefined
  const ready = (): Cells => {
    if (cells === undefined) throw new Error('the mesh did not start')
    return cells
  }
  beforeAll(async () => {
    const side = await forgeSide(kind)
    await side.repository.commit({ '.runner-mesh.yml': PIPELINE })
    cells = new Cells(await ForgeMesh.start(side))
  })
  afterAll(() => cells?.mesh.stop())

  describe(`${kind}: one run and its true end for`, () => {
    deliveries(ready)
    requests(kind, ready)
    strangers(kind, ready)
    twoGateways(ready)
    crashes(ready)
    test('all of it together, and no run besides', () => {
      const { runs, mesh } = ready()
      expect([...mesh.runs()].sort()).toEqual([...runs].sort())
    })
  })
}

function deliveries(ready: () => Cells): void {
  test('a push', async () => {
    const cells = ready()
    const { commit, sent } = await cells.push('push')
    const [first] = await sent
    const { secrets } = await cells.ends(commit)

    expect(first?.delivery.status).toBe(202)
    expect(secrets).toMatchObject({ kind: 'released', secrets: [{ name: SECRET }] })
    const [run] = await cells.mesh.gateway.runs()
    expect(run).toMatchObject({ commit, state: 'succeeded', jobs: [{ state: 'succeeded' }] })
  })

  test.each([
    ['that its people have sent again', 'redeliver'],
    ['that comes again under a new id', 'replay']
  ] as const)('a push %s', async (_what, again) => {
    const cells = ready()
    const { side, mesh } = cells
    const { commit, sent } = await cells.push(again)
    const [first] = await sent
    if (first === undefined) throw new Error('nothing was sent')
    const early = await side[again](first)
    await cells.ends(commit)
    const late = await side[again](first)

    const deliveries = [first.delivery, early, late]
    expect(deliveries.map(({ status }) => status)).toEqual([202, 202, 202])
    const isKept = side.kind !== 'gitea' && side.kind !== 'forgejo' && again === 'redeliver'
    expect(new Set(deliveries.map(({ guid }) => guid)).size).toBe(isKept ? 1 : 3)
    expect(mesh.runsOf(commit)).toHaveLength(1)
  })

  test('a tag', async () => {
    const cells = ready()
    const { side } = cells
    const commit = await cells.commit('tag', 'side')
    await side.repository.tag('v1', commit, 'plain')
    const [sent] = await side.push({ ref: 'refs/tags/v1', after: commit })
    await cells.ends(commit)

    expect(sent?.delivery.status).toBe(202)
    const [run] = await cells.mesh.gateway.runs()
    expect(run).toMatchObject({ commit, ref: 'refs/tags/v1', state: 'succeeded' })
  })

  test('nobody, where the signature is bad', async () => {
    const cells = ready()
    const { side, mesh } = cells
    const commit = await cells.commit('forged', 'forged')
    await side.repository.git(['update-ref', '-d', 'refs/heads/forged'])
    const [hook] = side.repository.hooks
    if (hook === undefined) throw new Error('no hook')
    const { status } = await side.forged({ ref: 'refs/heads/main', after: commit }, hook)
    // What was true and came later is there: the forged one had its time.
    const { commit: next } = await cells.push('after the forged one')
    await cells.ends(next)

    expect(status).toBe(401)
    expect(mesh.runsOf(commit)).toEqual([])
    expect(side.said(commit)).toEqual([])
    const { runs } = await mesh.gateway.get<{ runs: { commit: string }[] }>('/api/v1/runs')
    expect(runs.filter((run) => run.commit === commit)).toEqual([])
  })
}

function requests(kind: ForgeName, ready: () => Cells): void {
  if (kind === 'git') {
    test('nobody, where a ref is neither a branch nor a tag', async () => {
      const cells = ready()
      const commit = await cells.commit('pull', 'side')
      const [sent] = await cells.side.push({ ref: 'refs/pull/1/head', after: commit })

      expect(sent?.delivery.status).toBe(202)
      expect(cells.mesh.runsOf(commit)).toEqual([])
    })
    return
  }
  test('a pull request from the fork of somebody known', async () => {
    const cells = ready()
    const { side } = cells
    side.repository.collaborators.set('lena', 'write')
    const files = { '.runner-mesh.yml': STRANGE_PIPELINE }
    const { pull } = await pullFromFork(side, { author: 'lena', files })
    const action = side.kind === 'gitlab' ? 'open' : 'opened'
    const [sent] = await side.forge.sendPull(side.repository, pull, action)
    // The base's pipeline ran, else nobody would have heard of `build`.
    const { secrets } = await cells.ends(pull.headCommit, PULL)

    expect(sent?.status).toBe(202)
    expect(secrets).toMatchObject({ kind: 'refused', reason: 'untrusted' })
    const [run] = await cells.mesh.gateway.runs()
    expect(run).toMatchObject({ commit: pull.headCommit, jobs: [{ name: 'build' }] })
  })
}

function strangers(kind: ForgeName, ready: () => Cells): void {
  if (kind === 'git') return
  const [opened, pushed] = kind === 'gitlab' ? ['open', 'update'] : ['opened', 'synchronized']
  const updated = kind === 'github' ? 'synchronize' : pushed

  test("nobody, where a stranger's fork was pushed to after its approval", async () => {
    const cells = ready()
    const { side, mesh } = cells
    const { forge, repository } = side
    const files = { '.runner-mesh.yml': STRANGE_PIPELINE }
    const { pull, source } = await pullFromFork(side, { author: 'mallory', files })
    const next = async (name: string): Promise<string> => {
      const head = await source.commit({ ...files, 'next.txt': name }, 'fix')
      await forge.updatePull(repository, pull, head)
      await forge.sendPull(repository, pull, updated)
      return head
    }
    const first = pull.headCommit
    await forge.sendPull(repository, pull, opened)
    const firstRun = await cells.waits(first)
    // Held between the approval and the announcement, while the stranger pushes.
    forge.before.close((what) => what.startsWith('GET /team/kernel.git/'))
    const approved = await mesh.gateway.approve(firstRun)
    await forge.before.reached()
    const second = await next('after the approval')
    forge.before.open()
    const secondRun = await cells.waits(second)
    const late = await mesh.gateway.approve(firstRun)

    expect([approved, late]).toEqual([200, 409])
    expect(mesh.runsOf(first)).toEqual([])
    expect(await mesh.gateway.approve(secondRun)).toBe(200)
    const { secrets } = await cells.ends(second, PULL)
    expect(secrets).toMatchObject({ kind: 'refused', reason: 'untrusted' })
    const third = await next('after the run')
    await cells.waits(third)
    expect(mesh.runsOf(third)).toEqual([])
    expect(mesh.runsOf(first)).toEqual([])
  })
}

function twoGateways(ready: () => Cells): void {
  test('a push that two gateways are told of', async () => {
    const cells = ready()
    const { mesh } = cells
    const second = mesh.gateways[1]
    if (second === undefined) throw new Error('no second gateway')
    await second.start()
    const unhook = mesh.hook(second)
    try {
      const { commit, sent } = await cells.push('two gateways')
      const statuses = (await sent).map(({ delivery }) => delivery.status)
      await cells.ends(commit)

      expect(statuses).toEqual([202, 202])
      for (const gateway of mesh.gateways) {
        const runs = await eventually('both know the end', async () => {
          const all = (await gateway.runs()).filter((run) => run.commit === commit)
          return all.every(({ state }) => state === 'succeeded') && all
        })
        expect(runs.map(({ id }) => id)).toEqual(mesh.runsOf(commit))
      }
    } finally {
      unhook()
      await second.stop()
    }
  })
}

function crashes(ready: () => Cells): void {
  test('a gateway killed before the delivery is synced', async () => {
    const cells = ready()
    const { mesh } = cells
    await mesh.gateway.pause()
    const { commit, sent } = await cells.push('before sync')
    await cells.crash(Promise.resolve(), () => undefined)
    const [lost] = await sent

    expect(lost?.delivery.status).toBe(0)
    // Nobody sends it again but whom the gateway asks.
    await cells.ends(commit)
  })

  test('a gateway killed after the sync, with nothing read yet', async () => {
    const cells = ready()
    const { before } = cells.side.forge
    before.close((what) => what.startsWith('GET /team/kernel.git/'))
    const { commit, sent } = await cells.push('after sync')
    const [taken] = await sent
    await cells.crash(before.reached(), () => before.open('dropped'))

    expect(taken?.delivery.status).toBe(202)
    await cells.ends(commit)
  })

  test('a gateway killed after the quorum, before it hears of it', async () => {
    const cells = ready()
    const { witnesses } = cells.mesh
    // A job's register has a point in its name.
    witnesses.close((register) => !register.includes('.'))
    const { commit } = await cells.push('after quorum')
    await cells.crash(witnesses.reached(2), () => witnesses.open())

    await cells.ends(commit)
  })

  test('a gateway killed after the announcement', async () => {
    const cells = ready()
    const { commit } = await cells.push('after announcement')
    await cells.mesh.runOf(commit)
    await cells.crash(cells.mesh.gateway.wrote('run recorded'), () => undefined)

    await cells.ends(commit)
  })

  test.each(['before', 'after'] as const)(
    'a gateway killed %s the status of the end',
    async (moment) => {
      const cells = ready()
      const gate = cells.side[moment]
      const { commit } = await cells.push(`${moment} status`)
      const run = await cells.mesh.runOf(commit)
      gate.close(cells.side.isEnd)
      await cells.mesh.finish(run)
      await gate.reached()
      const said = cells.side.said(commit).filter(({ state }) => state === 'succeeded')
      await cells.crash(Promise.resolve(), () => gate.open('dropped'))

      expect(said.length > 0).toBe(moment === 'after')
      await cells.heard(commit, PUSH)
    }
  )
}
