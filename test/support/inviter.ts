import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { InviteRole, Joiner } from '../../protocol/core/invite.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import { admit } from '../../protocol/core/roster-rules.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { statePaths } from '../../protocol/host/paths.ts'
import { systemRandom } from '../../protocol/host/random.ts'
import { InviteBook } from '../../protocol/mesh/joining/invite-book.ts'
import { type Joined, joinMesh } from '../../protocol/mesh/joining/join-mesh.ts'
import {
  type Admitter,
  JoinService,
  type Newcomer
} from '../../protocol/mesh/joining/join-service.ts'
import { PROTOCOLS } from '../../protocol/wire/ids.ts'
import { inviteIdOf } from '../../protocol/wire/join-proof.ts'
import type { JoinTicket } from '../../protocol/wire/join-string.ts'
import { sealRoster } from '../../protocol/wire/roster-codec.ts'
import { type MeshHost, TestMesh } from './mesh-nodes.ts'

const HOUR_MS = 3_600_000
// One for all: each holds a file open until the process ends.
const CLOCK = systemClock()

export interface InviteWish {
  readonly roles?: readonly InviteRole[]
  readonly isWitness?: boolean
  readonly forMs?: number
}

/** A mesh of one host that holds the authority's key and takes joiners, over real libp2p. */
export class InvitingMesh {
  readonly mesh: TestMesh
  readonly host: MeshHost
  readonly invites: InviteBook
  /** Peers whose requests to join came through, in order. */
  readonly heard: string[] = []
  readonly #dir: string
  readonly #clock: Clock

  private constructor(parts: {
    mesh: TestMesh
    host: MeshHost
    invites: InviteBook
    dir: string
    clock: Clock
    heard: string[]
  }) {
    this.mesh = parts.mesh
    this.host = parts.host
    this.invites = parts.invites
    this.heard = parts.heard
    this.#dir = parts.dir
    this.#clock = parts.clock
  }

  static async start(clock: Clock = CLOCK): Promise<InvitingMesh> {
    const dir = await mkdtemp(join(tmpdir(), 'runner-mesh-join-'))
    const mesh = new TestMesh()
    const invites = await InviteBook.open(join(dir, 'invites'), clock)
    const heard: string[] = []
    const host: MeshHost = await mesh.addHost({
      clock,
      door: invites,
      prepare: (node, key) => {
        const service = new JoinService({
          self: key.peerId,
          invites,
          roster: () => host.book.current(),
          seen: (peerId) => node.seen(peerId),
          admitter: admitterOf(mesh, () => host, clock),
          clock,
          log: silentLog()
        })
        node.handle(PROTOCOLS.join, async (remote, body) => {
          heard.push(remote)
          return await service.handle(remote, body)
        })
        node.handle(PROTOCOLS.query, async (_remote, body) => body)
      }
    })
    await mesh.admitAll()
    return new InvitingMesh({ mesh, host, invites, dir, clock, heard })
  }

  async invite(wish: InviteWish = {}): Promise<JoinTicket> {
    const secret = systemRandom().id(16)
    const { roles = ['agent'], isWitness = false, forMs = HOUR_MS } = wish
    const expiresMs = this.#clock.wallMs() + forMs
    await this.invites.add({ id: inviteIdOf(secret), secret, roles, isWitness, expiresMs })
    return {
      authority: this.mesh.authority.peerId,
      inviter: this.host.key.peerId,
      addresses: this.host.node.addresses(),
      secret,
      roles,
      isWitness,
      expiresMs
    }
  }

  paths(name: string) {
    return statePaths('agent', { state: join(this.#dir, name) }, {})
  }

  /** As `agent join` on a host of that name. */
  async join(
    ticket: JoinTicket,
    name: string,
    more: { joiner?: Joiner; as?: string; addresses?: readonly string[] } = {}
  ): Promise<Joined> {
    const { joiner = 'agent', addresses = [] } = more
    const parts = { paths: this.paths(name), clock: CLOCK, random: systemRandom() }
    const ports = addresses.length === 0 ? [4_471] : []
    return await joinMesh(parts, { ticket, joiner, name: more.as ?? name, addresses, ports })
  }

  async stop(): Promise<void> {
    await this.mesh.stop()
    await rm(this.#dir, { recursive: true, force: true })
  }
}

function admitterOf(mesh: TestMesh, host: () => MeshHost, clock: Clock): Admitter {
  const notAfterMs = clock.wallMs() + 365 * 24 * HOUR_MS
  return {
    problemOf: async ({ name, peerId }) => {
      const members = host().book.current()?.roster.members ?? []
      const isTaken = members.some((one) => one.name === name && one.peerId !== peerId)
      return isTaken ? 'name_taken' : undefined
    },
    admit: async (newcomer: Newcomer) => {
      const { peerId, name, roles, addresses, storeId, isWitness } = newcomer
      const witness = isWitness ? { storeId, zone: name } : undefined
      const all = isWitness ? ([...roles, 'witness'] as const) : roles
      const member = { peerId, name, roles: all, addresses, witness, notAfterMs }
      return await host().book.succeed((current) => {
        if (current === undefined) throw new Error('no roster')
        return sealRoster(mesh.authority, admit(current, member, clock.wallMs()))
      })
    }
  }
}
