import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Daemon } from '../../deploy/demo/process.ts'
import { TokenStore } from '../../gateway/api/token-store.ts'
import { hookPath } from '../../gateway/hooks/forge-hook.ts'
import { CredentialStore } from '../../gateway/secrets/credential-store.ts'
import { SecretStore } from '../../gateway/secrets/secret-store.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { type StatePaths, statePaths } from '../../protocol/host/paths.ts'
import { systemRandom } from '../../protocol/host/random.ts'
import { type Identity, makeIdentity } from '../../protocol/mesh/members/identity.ts'
import { RosterBook } from '../../protocol/mesh/members/roster-book.ts'
import { eventually } from './eventually.ts'
import { type ForgeSide, REPOSITORY } from './forge-side.ts'
import { freePort } from './port-block.ts'

const MAIN = resolve(import.meta.dirname, '../../dist/gateway/main.js')
/** Of the repository, for trusted runs alone, as all are. */
export const SECRET = 'DEPLOY_TOKEN'

const START_MS_MAX = 60_000
const CLOCK = systemClock()

/** What the API says of a run, as far as tests ask. */
export interface SeenRun {
  readonly id: string
  readonly state: string
  readonly reason: string | null
  readonly commit: string
  readonly ref: string
  readonly jobs: readonly { readonly id: string; readonly name: string; readonly state: string }[]
}

/** One gateway as users run it: the built program, in a process that can be killed at any point. */
export class ForgeGateway {
  readonly name: string
  readonly paths: StatePaths
  readonly identity: Identity
  readonly meshAddress: string
  readonly httpUrl: string
  readonly #logFile: string
  #token = ''
  #daemon: Daemon | undefined
  #read = 0

  private constructor(
    name: string,
    paths: StatePaths,
    identity: Identity,
    ports: { readonly mesh: number; readonly http: number }
  ) {
    this.name = name
    this.paths = paths
    this.identity = identity
    this.meshAddress = `/ip4/127.0.0.1/tcp/${ports.mesh}`
    this.httpUrl = `http://127.0.0.1:${ports.http}`
    this.#logFile = join(paths.state, 'daemon.log')
  }

  static async make(root: string, name: string, authority: string): Promise<ForgeGateway> {
    const paths = statePaths('gateway', { state: join(root, name) }, {})
    const identity = await makeIdentity('gateway', paths, authority)
    const ports = { mesh: await freePort(), http: await freePort() }
    return new ForgeGateway(name, paths, identity, ports)
  }

  /** Declares the side's repository, with a secret, a credential and a token for the API. */
  async declare(side: ForgeSide): Promise<void> {
    const { paths } = this
    const secretFile = join(paths.state, 'hook.secret')
    await mkdir(paths.state, { recursive: true })
    await writeFile(secretFile, side.secret, { mode: 0o600 })
    const url = side.forge.cloneUrl(REPOSITORY)
    const where = { name: REPOSITORY, forge: side.kind, url, secret_file: secretFile }
    await this.configure([{ ...where, branches: ['main'], ...side.settings }], 'debug')
    const rules = { events: ['push', 'tag', 'pull_request'], branches: [], images: [] }
    const secrets = new SecretStore({ file: paths.secrets, keyFile: paths.secretsKey })
    const place = { repository: REPOSITORY, name: SECRET }
    await secrets.set(CLOCK, place, rules, Buffer.from('only for our own'))
    if (side.token === undefined) return
    const files = { file: paths.credentials, keyFile: paths.secretsKey, secrets: paths.secrets }
    const wanted = { name: 'forge', kind: 'token' } as const
    await new CredentialStore(files).set(wanted, Buffer.from(side.token), CLOCK.wallMs())
  }

  /** Writes gateway.yaml with these entries, and makes a token for the API. */
  async configure(repositories: readonly object[], logLevel = 'info'): Promise<void> {
    const { paths, httpUrl } = this
    const settings = {
      name: this.name,
      listen: [this.meshAddress],
      http: httpUrl.replace('http://', ''),
      public_url: httpUrl,
      logLevel,
      repositories
    }
    await mkdir(paths.state, { recursive: true })
    // JSON is YAML.
    await writeFile(paths.config, JSON.stringify(settings, undefined, 2))
    const scopes = { name: 'test', scopes: ['read', 'write'] }
    const clockAndRandom = { clock: CLOCK, random: systemRandom() }
    this.#token = (await new TokenStore(paths.tokens).create(clockAndRandom, scopes)).token
  }

  /** Of the process that runs now. */
  get pid(): number {
    return this.#daemon?.pid ?? -1
  }

  async admit(authority: string, roster: Uint8Array): Promise<void> {
    const book = await RosterBook.open(this.paths.rosters, authority, CLOCK)
    await book.offer(roster)
  }

  hookUrl({ kind }: ForgeSide): string {
    return `${this.httpUrl}${hookPath(kind)}`
  }

  /** Resolves once it takes deliveries and a quorum of witnesses answers it. */
  async start(): Promise<void> {
    this.#read = (await this.#log()).length
    const words = [process.execPath, MAIN, 'start', '--state', this.paths.state]
    this.#daemon = new Daemon(this.name, this.#logFile, words)
    await this.wrote('gateway started')
    await eventually(
      `${this.name} has a quorum`,
      async () => (await fetch(`${this.httpUrl}/healthz`)).ok,
      START_MS_MAX
    )
  }

  /** Once this process has written that message of its log. */
  async wrote(message: string, limitMs = START_MS_MAX): Promise<void> {
    const look = async (): Promise<boolean> => {
      const text = (await this.#log()).slice(this.#read)
      if (text.includes(`"msg":"${message}"`)) return true
      if (this.#daemon?.running === false) throw new Error(`it ended: ${text}`)
      return false
    }
    await eventually(`${this.name} says "${message}"`, look, limitMs)
  }

  /** The process stands still: what comes for it waits in the kernel. */
  async pause(): Promise<void> {
    await this.#daemon?.kill('SIGSTOP')
  }

  async kill(): Promise<void> {
    await this.#daemon?.kill('SIGKILL')
  }

  async stop(): Promise<void> {
    await this.#daemon?.kill('SIGCONT')
    await this.#daemon?.stop()
  }

  async get<T>(path: string): Promise<T> {
    const reply = await this.#ask('GET', path)
    if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`)
    return (await reply.json()) as T
  }

  /** To the last page. */
  async runs(query = ''): Promise<readonly SeenRun[]> {
    const all: SeenRun[] = []
    for (let cursor = ''; ; ) {
      const path = `/api/v1/runs?limit=200&${query}${cursor}`
      const page = await this.get<{ runs: SeenRun[]; next: string | null }>(path)
      all.push(...page.runs)
      if (page.next === null) return all
      cursor = `&cursor=${page.next}`
    }
  }

  /** Resolves with the status of the answer. */
  async approve(runId: string): Promise<number> {
    const reply = await this.#ask('POST', `/api/v1/runs/${runId}/approve`)
    await reply.arrayBuffer()
    return reply.status
  }

  #ask(method: string, path: string): Promise<Response> {
    const headers = { authorization: `Bearer ${this.#token}` }
    return fetch(`${this.httpUrl}${path}`, { method, headers })
  }

  async #log(): Promise<string> {
    try {
      return await readFile(this.#logFile, 'utf8')
    } catch {
      return ''
    }
  }
}
