import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LEASE_PROFILES } from '../../protocol/core/lease-profile.ts'
import { jobIdOf } from '../../protocol/core/run.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { systemRandom } from '../../protocol/host/random.ts'
import { Member } from '../../protocol/mesh/member.ts'
import { RosterBook } from '../../protocol/mesh/members/roster-book.ts'
import { type MeshStore, openStore } from '../../protocol/store/mesh-store.ts'
import { PROTOCOLS } from '../../protocol/wire/ids.ts'
import { generateKey, type MeshKey } from '../../protocol/wire/keys.ts'
import { decodeRecord, encodeRecord } from '../../protocol/wire/record-codec.ts'
import { sealRoster } from '../../protocol/wire/roster-codec.ts'
import {
  decodeSecretsReply,
  encodeSecretsRequest,
  type SecretsReply,
  type SecretsRequest
} from '../../protocol/wire/secrets-codec.ts'
import { eventually } from './eventually.ts'
import { ForgeGateway, SECRET } from './forge-gateway.ts'
import type { ForgeSide } from './forge-side.ts'
import { Gate } from './gate.ts'
import { gatedWitness } from './gated-witness.ts'
import { succeeded } from './memory-members.ts'
import { LOOPBACK, memberEntry, rosterOf } from './mesh-nodes.ts'

const AGENTS = 3
const GATEWAYS = 2
const CLOCK = systemClock()
const RANDOM = systemRandom()

/** What an agent was given for its attempt. */
export interface Attempt {
  readonly secrets: SecretsReply
}

interface Host {
  readonly key: MeshKey
  readonly book: RosterBook
  readonly store: MeshStore
  readonly member: Member
}

/**
 * Three agents that are the witnesses, in this process, with real stores and real connections, and
 * two gateways that are processes of their own; the second one is started by who needs it.
 */
export class ForgeMesh {
  readonly side: ForgeSide
  readonly gateways: readonly ForgeGateway[]
  /** Answers of witnesses, each named by its register and held once it is synced. */
  readonly witnesses: Gate
  readonly #hosts: readonly Host[]
  readonly #root: string

  private constructor(parts: {
    side: ForgeSide
    gateways: readonly ForgeGateway[]
    witnesses: Gate
    hosts: readonly Host[]
    root: string
  }) {
    this.side = parts.side
    this.gateways = parts.gateways
    this.witnesses = parts.witnesses
    this.#hosts = parts.hosts
    this.#root = parts.root
  }

  /** Its first gateway runs, and the repository's hook leads to it. */
  static async start(side: ForgeSide): Promise<ForgeMesh> {
    const root = await mkdtemp(join(tmpdir(), 'runner-mesh-forges-'))
    const authority = generateKey()
    const witnesses = new Gate()
    const hosts: Host[] = []
    const gateways: ForgeGateway[] = []
    const mesh = new ForgeMesh({ side, gateways, witnesses, hosts, root })
    try {
      for (let index = 0; index < AGENTS; index += 1) {
        hosts.push(await startHost(join(root, `agent-${index}`), authority, witnesses))
      }
      for (let index = 0; index < GATEWAYS; index += 1) {
        gateways.push(await ForgeGateway.make(root, `front-${index}`, authority.peerId))
      }
      await mesh.#enrol(authority)
      for (const gateway of gateways) await gateway.declare(side)
      const [first] = gateways
      if (first === undefined) throw new Error('no gateway')
      await first.start()
      mesh.hook(first)
      return mesh
    } catch (error) {
      await mesh.stop()
      throw error
    }
  }

  get gateway(): ForgeGateway {
    const [first] = this.gateways
    if (first === undefined) throw new Error('no gateway')
    return first
  }

  /** Has the forge send its deliveries to that gateway, too; the call back ends it. */
  hook(gateway: ForgeGateway): () => void {
    const { forge, repository, secret } = this.side
    const hook = forge.addHook(repository, gateway.hookUrl(this.side), secret)
    return () => repository.hooks.splice(repository.hooks.indexOf(hook), 1)
  }

  /** Runs of the commit that any agent knows. */
  runsOf(commit: string): readonly string[] {
    const all = this.#hosts.flatMap(({ member }) => member.board.runs())
    const found = all.filter(({ sealed }) => sealed.announcement.manifest.origin.commit === commit)
    return [...new Set(found.map(({ sealed }) => sealed.announcement.runId))]
  }

  /** Every run that any agent knows. */
  runs(): readonly string[] {
    const all = this.#hosts.flatMap(({ member }) => member.board.runs())
    return [...new Set(all.map(({ sealed }) => sealed.announcement.runId))]
  }

  /** Once a quorum has chosen it and an agent knows. */
  async runOf(commit: string, limitMs = 30_000): Promise<string> {
    return await eventually(`a run of ${commit}`, () => this.runsOf(commit)[0], limitMs)
  }

  /** An agent claims the run's job, asks for these secrets, does that, and ends it well. */
  async finish(
    runId: string,
    names: readonly string[] = [SECRET],
    work: () => void = () => undefined
  ): Promise<Attempt> {
    const { member } = this.#worker
    const job = jobIdOf(runId, 0)
    await eventually(`${job} is known`, () => member.board.job(job), 30_000)
    const claimId = RANDOM.id(16)
    const { leaseMs } = LEASE_PROFILES.default
    const claim = { kind: 'claim', claimId, boot: member.boot, leaseMs } as const
    const claimed = await member.changeJob(job, claimId, claim)
    // `same`: it was chosen at an earlier try, whose answer came late.
    const isHeld = claimed.kind === 'applied' || claimed.kind === 'same'
    if (!isHeld || claimed.value.lease?.claimId !== claimId) {
      throw new Error(`${job} is not free: ${claimed.kind}`)
    }
    const { epoch } = claimed.value
    const gateway = member.board.run(runId)?.sealed.announcement.gateway ?? ''
    const secrets = await this.#ask(gateway, { job, epoch, claimId }, names)
    work()
    const complete = { kind: 'complete', epoch, claimId, outcome: succeeded(epoch) } as const
    const ended = await member.changeJob(job, RANDOM.id(16), complete)
    if (ended.kind !== 'applied' && ended.kind !== 'same') {
      throw new Error(`${job} does not end: ${ended.kind}`)
    }
    await member.hint(job)
    return { secrets }
  }

  async #ask(
    gateway: string,
    held: Pick<SecretsRequest, 'job' | 'epoch' | 'claimId'>,
    names: readonly string[]
  ): Promise<SecretsReply> {
    const { node } = this.#worker.member
    const options = { timeoutMs: 10_000 }
    return await eventually(
      `${gateway} answers`,
      async () => {
        const body = encodeSecretsRequest({ ...held, nonce: RANDOM.id(16), names })
        const answer = node.request(gateway, PROTOCOLS.secrets, body, options)
        const reply = await answer
          .then((bytes) => decodeSecretsReply(bytes, gateway))
          .catch(() => undefined)
        // A gateway that has just begun does not know the run yet; agents ask it again, too.
        const isEarly = reply?.kind === 'refused' && reply.reason === 'unknown_job'
        return isEarly ? undefined : reply
      },
      30_000
    )
  }

  async stop(): Promise<void> {
    this.witnesses.open()
    await Promise.all(this.gateways.map((gateway) => gateway.stop()))
    await Promise.all(this.#hosts.map(({ member }) => member.stop()))
    await Promise.all(this.#hosts.map(({ store }) => store.close()))
    await this.side.stop()
    await rm(this.#root, { recursive: true, force: true })
  }

  get #worker(): Host {
    const [first] = this.#hosts
    if (first === undefined) throw new Error('no agent')
    return first
  }

  async #enrol(authority: MeshKey): Promise<void> {
    const agents = this.#hosts.map(({ key, store: { storeId }, member }) => {
      return memberEntry(key.peerId, { addresses: member.node.addresses(), storeId })
    })
    const fronts = this.gateways.map(({ name, identity: { peerId }, meshAddress }) => {
      return memberEntry(peerId, { name, roles: ['gateway'], addresses: [meshAddress] })
    })
    const sealed = sealRoster(
      authority,
      rosterOf(authority, [...agents, ...fronts], { lease: 'default' })
    )
    for (const { book } of this.#hosts) await book.offer(sealed.bytes)
    for (const gateway of this.gateways) await gateway.admit(authority.peerId, sealed.bytes)
  }
}

async function startHost(dir: string, authority: MeshKey, witnesses: Gate): Promise<Host> {
  await mkdir(join(dir, 'rosters'), { recursive: true })
  const key = generateKey()
  const store = await openStore({
    dir: join(dir, 'store'),
    peerId: key.peerId,
    create: true,
    openedBy: 'agent',
    codec: { encodeRecord, decodeRecord },
    onFailure: () => undefined
  })
  const held = { ...store, witness: gatedWitness(store.witness, witnesses) }
  const book = await RosterBook.open(join(dir, 'rosters'), authority.peerId, CLOCK)
  const parts = { key, book, store: held, clock: CLOCK, random: RANDOM, log: silentLog() }
  const options = { listen: [LOOPBACK], announce: [], gossip: true, boot: RANDOM.id(8) }
  const member = new Member({ ...parts, onFailure: () => undefined }, options)
  await member.start()
  return { key, book, store, member }
}
