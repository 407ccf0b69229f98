import type { Board } from '../core/board.ts'
import type { MeshError } from '../core/errors.ts'
import type { LeaseProfile } from '../core/lease-profile.ts'
import { REPAIRS_PARALLEL_MAX } from '../core/limits.ts'
import type { Hint, RegisterReply, RegisterRequest } from '../core/messages.ts'
import type { Clock, Digest, Random, SharingSigner } from '../core/ports.ts'
import { runIdOf } from '../core/run.ts'
import type { Log } from '../host/log.ts'
import type { MeshStore } from '../store/mesh-store.ts'
import { batchSigner } from '../wire/batch-signer.ts'
import { digest } from '../wire/digest.ts'
import { PROTOCOLS } from '../wire/ids.ts'
import type { MeshKey } from '../wire/keys.ts'
import { decodeRegisterRequest, encodeRegisterReply } from '../wire/register-codec.ts'
import { verifier } from '../wire/verifier.ts'
import { AnnouncedNumbers } from './announcements/announced-numbers.ts'
import { AnnouncementFetch } from './announcements/announcement-fetch.ts'
import { AnnouncementShelf } from './announcements/announcement-shelf.ts'
import { AgentsGossip } from './board/agents-gossip.ts'
import { AntiEntropy } from './board/anti-entropy.ts'
import { BoardFeed } from './board/board-feed.ts'
import { JobMoves } from './board/job-moves.ts'
import { JobsGossip } from './board/jobs-gossip.ts'
import type { MemberEvent } from './board/member-events.ts'
import { RunEnding } from './board/run-ending.ts'
import { RunLedger, refOf } from './board/run-ledger.ts'
import { RunRecorder } from './board/run-recorder.ts'
import { Background } from './bounds/background.ts'
import { openJobRooms } from './job-rooms.ts'
import { RosterExchange } from './joining/roster-exchange.ts'
import { RosterLookups } from './joining/roster-lookups.ts'
import type { MeshNode } from './links/node.ts'
import { Equivocations } from './members/equivocations.ts'
import { ProofFolder } from './members/proof-folder.ts'
import type { RosterBook } from './members/roster-book.ts'
import { SharedKeys } from './members/shared-keys.ts'
import { WitnessSets } from './members/witness-sets.ts'
import { MeshTransport } from './registers/mesh-transport.ts'
import { RegisterClient } from './registers/register-client.ts'
import { Renewals } from './registers/renewals.ts'
import { SeenSequences } from './registers/seen-sequences.ts'
import { Floors } from './witness/floors.ts'
import { MoveProofs } from './witness/move-proofs.ts'
import { StoreInquiry } from './witness/store-inquiry.ts'
import { WitnessService } from './witness/witness-service.ts'

export interface RoomsParts {
  readonly key: MeshKey
  readonly book: RosterBook
  readonly store: Pick<MeshStore, 'witness' | 'distrust'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** True while nothing new may be begun on the disk. */
  readonly isDiskLow?: (() => boolean) | undefined
  /** Folder where proofs of equivocation outlive this process; nowhere when absent. */
  readonly proofs?: string | undefined
  /** Called once when the store failed: nothing is witnessed any more, the process must end. */
  readonly onFailure: (error: MeshError) => void
  readonly board: Board
  readonly node: MeshNode
  readonly emit: (event: MemberEvent) => void
  /** The timers of the current roster. */
  readonly profile: () => LeaseProfile
}

export type MemberRooms = ReturnType<typeof openRooms>

/**
 * Puts one member's parts together; nothing runs yet, but what must be there before the node
 * starts.
 */
export function openRooms(parts: RoomsParts, options: { readonly boot: string }) {
  const { key, book, node, board, clock, log, emit } = parts
  const common = { ...parts, rosters: book, peerId: key.peerId, digest: digest() }
  const linked = (): ReadonlySet<string> => new Set(node.links().map(({ peerId }) => peerId))
  const background = new Background(log, REPAIRS_PARALLEL_MAX)
  const equivocations = equivocationsOf(parts)

  const exchange = new RosterExchange({ node, book, clock, log })
  const lookups = new RosterLookups({ exchange, clock })
  const sets = new WitnessSets(common, (epoch) => lookups.want(epoch))
  const signer = batchSigner(key)

  const local = (asked: RegisterRequest): Promise<RegisterReply> =>
    witness.handle(key.peerId, asked)
  const onFalse = (peer: string, bytes: number): void => witness.chargeBytes(peer, bytes)
  const own = { background, equivocations, sets, signer, local, onFalse }
  const registers = openRegisters({ ...common, ...own }, options)
  const { seen, transport, shelf, client, ledger } = registers
  const moves = new JobMoves({ client, rosters: book })
  const feed = new BoardFeed({ ...common, ledger, client, sets, moves }, emit)
  const jobsGossip = new JobsGossip({ node, rosters: book, sets, feed, shelf, clock })
  const agentsGossip = new AgentsGossip({ node, rosters: book, board, clock }, (peerId) => {
    emit({ kind: 'agent', peerId })
  })
  const onLink: MeshNode['onLink'] = (listener) => node.onLink(listener)
  const { witness: store } = parts.store
  const onSeen = (peerId: string, seq: number): void => witness.hearSeen(peerId, seq)
  const inquired = { storeId: store.storeId, onLink, onSeen }
  const inquiry = new StoreInquiry({ ...common, transport, linked, ...inquired })
  const proofs = new MoveProofs({ client, clock, digest: common.digest })
  const shown = { ...registers, store, sets, proofs, inquiry, verifier: verifier() }
  const witness: WitnessService = new WitnessService(
    { ...common, ...shown, equivocations },
    {
      onFailure: parts.onFailure,
      onRollback: (cause) => {
        background.run('distrust', () => parts.store.distrust(cause))
      },
      onExpired: (hint, repeat) => {
        background.run('hint', () => jobsGossip.hint(hint, repeat))
        if (repeat > 0) repairOwn(hint)
      }
    }
  )
  // Nobody took the lease over, or this witness missed it: its timer may have kept the end out, as
  // after a restart, and whoever pushed it has given up. It would show an open job for ever.
  const repairOwn = ({ register, witnessEpoch }: Hint): void => {
    const sealed = board.run(runIdOf(register))?.sealed
    if (sealed !== undefined) onBehind({ ...refOf(sealed, register), witnessEpoch })
  }
  const onBehind = (ref: Parameters<RegisterClient['repair']>[0]): void => {
    background.run('repair', () => client.repair(ref))
  }
  const renewals = new Renewals({ transport, clock, sets, seen, onBehind }, options)
  const everyMs = (): number => parts.profile().antiEntropyMs
  const reached = { feed, client, ledger, renewals, moves, signer, sets, linked, jobsGossip }
  const jobRooms = openJobRooms({ ...common, ...reached, background, everyMs })
  const recorder = new RunRecorder({ ...common, client, ledger, feed, sets, signer })
  const antiEntropy = new AntiEntropy({ ...common, transport, feed, seen, linked, onLink })

  const sharedKeys = serveRegisters(parts, witness)
  return {
    sharedKeys,
    equivocations,
    witness,
    inquiry,
    sets,
    exchange,
    lookups,
    client,
    feed,
    ...jobRooms,
    recorder,
    jobsGossip,
    agentsGossip,
    antiEntropy,
    background,
    ending: registers.ending,
    linked
  }
}

function equivocationsOf({ book: rosters, clock, log, proofs }: RoomsParts): Equivocations {
  const folder = proofs === undefined ? undefined : new ProofFolder(proofs)
  return new Equivocations({ rosters, clock, log, folder })
}

/** Gives what the requests show of the members that make them. */
function serveRegisters({ node, clock, log }: RoomsParts, witness: WitnessService): SharedKeys {
  const sharedKeys = new SharedKeys({ clock, log })
  node.handle(PROTOCOLS.register, async (remote, body) => {
    const request = decodeRegisterRequest(body, remote)
    sharedKeys.hear(remote, request)
    return encodeRegisterReply(await witness.handle(remote, request, body.byteLength))
  })
  return sharedKeys
}

interface RegisterParts extends RoomsParts {
  readonly rosters: RosterBook
  readonly digest: Digest
  readonly background: Background
  readonly equivocations: Equivocations
  readonly sets: WitnessSets
  readonly signer: SharingSigner
  readonly onFalse: (peer: string, bytes: number) => void
  /** Our own witness. */
  readonly local: (request: RegisterRequest) => Promise<RegisterReply>
}

/** What asks the witnesses of all runs, our own among them. */
function openRegisters(parts: RegisterParts, options: { readonly boot: string }) {
  const { node, clock, sets, local } = parts
  const store = parts.store.witness
  const seen = new SeenSequences()
  const transport = new MeshTransport({ node, clock, seen, local })
  const floors = new Floors({ ...parts, store })
  const shelf = new AnnouncementShelf(store, {
    onPut: (sealed) => {
      floors.hear(sealed.announcement)
      numbers.hear(sealed)
    }
  })
  const numbers = new AnnouncedNumbers({ ...parts, shelf })
  const fetch = new AnnouncementFetch({ transport, shelf, onFalse: parts.onFalse })
  const client = new RegisterClient({ ...parts, transport }, options)
  const ledger = new RunLedger({ client, sets, shelf, fetch })
  const ending = new RunEnding({ ...parts, client, ledger })
  return { seen, transport, floors, shelf, fetch, client, ledger, ending }
}
