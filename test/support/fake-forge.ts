import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gitPathOf, serveGit } from './fake-forge-git.ts'
import { giteaHandler } from './fake-forge-gitea.ts'
import { githubHandler } from './fake-forge-github.ts'
import { gitlabHandler } from './fake-forge-gitlab.ts'
import {
  type FakeDelivery,
  type FakeHook,
  type FakePush,
  redeliver,
  sendJob,
  sendPull,
  sendPush
} from './fake-forge-hooks.ts'
import { FakeRepository } from './fake-forge-repository.ts'
import { FakeRunners, type FakeWorkflowJob } from './fake-forge-runners.ts'
import {
  type FakeForgeKind,
  type FakeHandler,
  type FakePull,
  type FakeRequest,
  FakeWorld
} from './fake-forge-world.ts'
import { RUNNER_SERVICE, runnerService } from './fake-runner-service.ts'
import { Gate } from './gate.ts'

const HANDLERS: Readonly<Record<FakeForgeKind, FakeHandler>> = {
  gitea: giteaHandler,
  forgejo: giteaHandler,
  github: githubHandler,
  gitlab: gitlabHandler
}

const API: Readonly<Record<FakeForgeKind, string>> = {
  gitea: '/api/v1',
  forgejo: '/api/v1',
  github: '/api/v3',
  gitlab: '/api/v4'
}

/** What the next requests get in place of an answer. */
export interface FakeFault {
  /** Requests whose method and path (`POST /repos/...`) it is for; all of the API where absent. */
  readonly match?: RegExp
  /** How many of them; all from now on where absent. */
  times?: number
  readonly kind:
    | 'hang'
    /** Cut off after the headers and half of the body. */
    | 'cut'
    | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  /** For what the forge has done all the same, and only its answer is lost. */
  readonly after?: 'done'
}

export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly status: number
}

/**
 * One forge as a real HTTP server on loopback, with real repositories behind `git http-backend`.
 * It knows what the documentation of its kind says, and nothing of its clients.
 */
export class FakeForge {
  readonly world: FakeWorld
  readonly url: string
  readonly seen: SeenRequest[] = []
  /** What is held here has not been looked at: `POST /repos/team/kernel/statuses/ID success`. */
  readonly before = new Gate()
  /** What is held here is done, and its answer has not left. */
  readonly after = new Gate()
  readonly #server: Server
  readonly #root: string
  #faults: FakeFault[] = []

  private constructor(world: FakeWorld, server: Server, root: string) {
    this.world = world
    this.#server = server
    this.#root = root
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.#serve(request, response).catch((error: unknown) => {
        response.writeHead(500)
        response.end(String(error))
      })
    })
  }

  static async serve(kind: FakeForgeKind): Promise<FakeForge> {
    const root = await mkdtemp(join(tmpdir(), 'runner-mesh-forge-'))
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new FakeForge(new FakeWorld(kind), server, root)
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
    await rm(this.#root, { recursive: true, force: true })
  }

  /** `http://127.0.0.1:PORT/team/kernel.git` */
  cloneUrl(path: string): string {
    return `${this.url}/${path}.git`
  }

  async repository(
    path: string,
    options: { readonly isPrivate?: boolean; readonly owner?: string } = {}
  ): Promise<FakeRepository> {
    const id = this.world.id()
    const owner = this.world.user(options.owner ?? path.split('/')[0] ?? 'team')
    const dir = join(this.#root, `${id}.git`)
    const made = await FakeRepository.make({
      id,
      path,
      dir,
      isPrivate: options.isPrivate ?? false,
      owner,
      actions: new FakeRunners(this.world)
    })
    this.world.repositories.set(path.toLowerCase(), made)
    return made
  }

  /** A pull request whose head commit is in the base's repository too, as forges keep it. */
  async openPull(
    repository: FakeRepository,
    parts: {
      readonly author: string
      readonly source?: FakeRepository | undefined
      readonly headBranch: string
      readonly isPushedFor?: boolean
      readonly headCommit: string
      readonly baseBranch?: string
      readonly labels?: readonly string[]
    }
  ): Promise<FakePull> {
    const { author, source = repository, headBranch, headCommit, baseBranch = 'main' } = parts
    const pull: FakePull = {
      number: repository.pulls.length + 1,
      author: this.world.user(author),
      title: `change of ${author}`,
      baseBranch,
      headBranch,
      isPushedFor: parts.isPushedFor,
      source,
      headCommit,
      state: 'open',
      labels: parts.labels ?? []
    }
    repository.pulls.push(pull)
    await this.#keepHead(repository, pull)
    return pull
  }

  /** A new head of the pull request. */
  async updatePull(repository: FakeRepository, pull: FakePull, headCommit: string): Promise<void> {
    pull.headBefore = pull.headCommit
    pull.headCommit = headCommit
    await this.#keepHead(repository, pull)
  }

  addHook(repository: FakeRepository, url: string, secret: string): FakeHook {
    const hook = { id: this.world.id(), url, secret, deliveries: [] }
    repository.hooks.push(hook)
    return hook
  }

  push(repository: FakeRepository, push: FakePush): Promise<readonly FakeDelivery[]> {
    return sendPush(this.world, repository, push, this.url)
  }

  sendPull(repository: FakeRepository, pull: FakePull, action: string) {
    return sendPull(this.world, repository, pull, action, this.url)
  }

  /** GitHub and Gitea tell of each step of a job; Forgejo of none. */
  sendJob(repository: FakeRepository, job: FakeWorkflowJob) {
    return sendJob(this.world, repository, job, this.url)
  }

  redeliver(hook: FakeHook, delivery: FakeDelivery): Promise<FakeDelivery> {
    return redeliver(this.world, hook, delivery)
  }

  fault(fault: FakeFault): void {
    this.#faults.push(fault)
  }

  heal(): void {
    this.#faults = []
  }

  async #keepHead(repository: FakeRepository, { number, source, headCommit }: FakePull) {
    const kind = this.world.kind === 'gitlab' ? 'merge-requests' : 'pull'
    const ref = `refs/${kind}/${number}/head`
    if (source !== undefined && source !== repository) {
      await repository.git(['fetch', '--quiet', source.dir, `+${headCommit}:${ref}`])
    } else {
      await repository.git(['update-ref', ref, headCommit])
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url)
    if (gitPathOf(url) !== undefined) {
      await this.before.pass(`${request.method} ${url.pathname}`)
      return await serveGit(this.world, request, response, url)
    }
    const service = RUNNER_SERVICE.exec(url.pathname)
    if (service !== null) {
      const parsed = await parsedRequest(request, url, '')
      const answer = runnerService(this.world, service[2] ?? '', parsed)
      this.#note(parsed, answer.status)
      response.writeHead(answer.status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(answer.body))
      return
    }
    const base = API[this.world.kind]
    if (!url.pathname.startsWith(`${base}/`)) {
      response.writeHead(404)
      response.end()
      return
    }
    const parsed = await parsedRequest(request, url, base)
    const what = `${parsed.method} ${parsed.path}`
    const said = `${what} ${String(parsed.body['state'] ?? '')}`
    if ((await this.before.pass(said)) === 'dropped') {
      response.destroy()
      return
    }
    const fault = this.#faultFor(what)
    if (fault !== undefined && fault.after === undefined) {
      this.#note(parsed, typeof fault.kind === 'string' ? 0 : fault.kind.status)
      return failed(response, fault)
    }
    const answer = await HANDLERS[this.world.kind](this.world, parsed)
    this.#note(parsed, answer.status)
    await this.after.pass(said)
    if (fault !== undefined) return failed(response, fault)
    const text = answer.body === undefined ? '' : JSON.stringify(answer.body)
    response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers })
    response.end(text)
  }

  #note({ method, path }: FakeRequest, status: number): void {
    this.seen.push({ method, path, status })
  }

  #faultFor(what: string): FakeFault | undefined {
    const found = this.#faults.find(({ match }) => match?.test(what) !== false)
    if (found?.times === undefined) return found
    found.times -= 1
    if (found.times <= 0) this.#faults = this.#faults.filter((each) => each !== found)
    return found
  }
}

async function parsedRequest(
  request: IncomingMessage,
  url: URL,
  base: string
): Promise<FakeRequest> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  const text = Buffer.concat(parts).toString('utf8')
  return {
    method: request.method ?? 'GET',
    path: url.pathname.slice(base.length),
    query: url.searchParams,
    headers: request.headers,
    body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
  }
}

function failed(response: ServerResponse, { kind }: FakeFault): void {
  if (kind === 'hang') return
  if (kind === 'cut') {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
    response.write('{"id": 1')
    setImmediate(() => response.destroy())
    return
  }
  response.writeHead(kind.status, { 'content-type': 'application/json', ...kind.headers })
  response.end(kind.body ?? JSON.stringify({ message: 'a fault that was asked for' }))
}
