import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKey } from '../../protocol/wire/keys.ts'
import { sealRoster } from '../../protocol/wire/roster-codec.ts'
import { eventually } from '../support/eventually.ts'
import { type FloodDelivery, importCommits } from '../support/flood.ts'
import { ForgeGateway } from '../support/forge-gateway.ts'
import { GitFixture } from '../support/git-fixture.ts'
import { memberEntry, rosterOf } from '../support/mesh-nodes.ts'
import { webhookSecret } from '../support/standard-webhook.ts'
import { Child } from './child.ts'

const WITNESSES = 3
const REPOSITORIES = 4
const PIPELINE = "jobs: { build: { image: 'debian:13', steps: [{ run: make }] } }\n"

interface Page {
  readonly runs: readonly { readonly commit: string }[]
  readonly next: string | null
}

interface Enrolled {
  readonly peerId: string
  readonly storeId: string
  readonly addresses: readonly string[]
}

/** One gateway as users run it, three witnesses in processes of their own, and Git's own server. */
export class IntakeSide {
  readonly secret: string
  readonly gateway: ForgeGateway
  readonly #servers: readonly GitFixture[]
  readonly #ends: readonly (() => Promise<unknown>)[]

  private constructor(parts: {
    secret: string
    gateway: ForgeGateway
    servers: readonly GitFixture[]
    ends: readonly (() => Promise<unknown>)[]
  }) {
    this.secret = parts.secret
    this.gateway = parts.gateway
    this.#servers = parts.servers
    this.#ends = parts.ends
  }

  static async start(): Promise<IntakeSide> {
    const root = await mkdtemp(join(tmpdir(), 'runner-mesh-intake-'))
    const ends: (() => Promise<unknown>)[] = [() => rm(root, { recursive: true, force: true })]
    try {
      const authority = generateKey()
      const secret = webhookSecret()
      const servers: GitFixture[] = []
      for (let index = 0; index < REPOSITORIES; index += 1) {
        const server = await GitFixture.serve()
        servers.push(server)
        ends.unshift(() => server.stop())
      }
      const witnesses = Array.from({ length: WITNESSES }, () => new Child('witness'))
      for (const child of witnesses) ends.unshift(() => child.end())
      const found = await Promise.all(
        witnesses.map((child, index) => {
          const folder = { dir: join(root, `w${index}`), authority: authority.peerId }
          return child.call<Enrolled[]>('start', folder)
        })
      )
      const gateway = await ForgeGateway.make(root, 'front', authority.peerId)
      const secretFile = join(root, 'hook.secret')
      await writeFile(secretFile, secret, { mode: 0o600 })
      await gateway.configure(
        servers.map(({ url }, index) => ({ name: nameOf(index), url, secret_file: secretFile }))
      )
      const { peerId } = gateway.identity
      const front = { name: 'front', roles: ['gateway'], addresses: [gateway.meshAddress] } as const
      const members = [
        ...found
          .flat()
          .map(({ peerId: id, ...rest }) => memberEntry(id, { ...rest, roles: ['witness'] })),
        memberEntry(peerId, front)
      ]
      const sealed = sealRoster(authority, rosterOf(authority, members, { lease: 'default' }))
      await gateway.admit(authority.peerId, sealed.bytes)
      const hex = Buffer.from(sealed.bytes).toString('hex')
      await Promise.all(witnesses.map((child) => child.call('roster', hex)))
      await gateway.start()
      ends.unshift(() => gateway.stop())
      return new IntakeSide({ secret, gateway, servers, ends })
    } catch (error) {
      for (const end of ends) await end()
      throw error
    }
  }

  get url(): string {
    return `${this.gateway.httpUrl}/hooks/git`
  }

  /** That many pushes that were not there before, spread over the repositories. */
  async pushes(count: number): Promise<readonly Pick<FloodDelivery, 'repository' | 'commit'>[]> {
    const each = Math.ceil(count / this.#servers.length)
    const file = { path: '.runner-mesh.yml', text: PIPELINE }
    const lists = await Promise.all(
      this.#servers.map(async ({ bare }, index) => {
        const commits = await importCommits(bare, file, each)
        return commits.map((commit) => ({ repository: nameOf(index), commit }))
      })
    )
    const turns = Array.from({ length: each }, (_, turn) => lists.map((list) => list[turn]))
    return turns
      .flat()
      .filter((push) => push !== undefined)
      .slice(0, count)
  }

  /** Resolves once every delivery that was taken is recorded on a quorum. */
  async idle(limitMs: number): Promise<void> {
    const look = async (): Promise<boolean> => {
      const reply = await fetch(`${this.gateway.httpUrl}/healthz`)
      return ((await reply.json()) as { intakeQueued: number }).intakeQueued === 0
    }
    await eventually('all that was taken is recorded', look, limitMs)
  }

  /** How many runs a quorum has chosen of each commit. */
  async runs(): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>()
    let query = ''
    for (;;) {
      const page = await this.gateway.get<Page>(`/api/v1/runs?limit=200${query}`)
      for (const { commit } of page.runs) counts.set(commit, (counts.get(commit) ?? 0) + 1)
      if (page.next === null) return counts
      query = `&cursor=${page.next}`
    }
  }

  /** Bytes of memory that the gateway has now. */
  async residentBytes(): Promise<number> {
    const text = await readFile(`/proc/${this.gateway.pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1_024
  }

  async stop(): Promise<void> {
    for (const end of this.#ends) await end()
  }
}

function nameOf(index: number): string {
  return `team/flood-${index}`
}
