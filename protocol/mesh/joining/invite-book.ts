import { causeOf, codeOf, MeshError } from '../../core/errors.ts'
import {
  type Invite,
  type Invites,
  isInviteOpen,
  type JoinAttempt,
  type NewInvite,
  openInvite,
  type TakeAnswer,
  takeInvite
} from '../../core/invite.ts'
import type { Clock } from '../../core/ports.ts'
import { writeDurable } from '../../host/durable-file.ts'
import { readSecretFile } from '../../host/secret-file.ts'
import { decodeInvites, encodeInvites } from '../../wire/join-codec.ts'

/** Bytes of the file: what the codec allows. */
const FILE_BYTES_MAX = 32_768

/**
 * The invites of this host, in one file of mode 0600. The secrets of open ones stand in it as they
 * are: a code over a message is checked with the very key that makes it, so anything to check it
 * with would open the same door, and the authority's own key lies beside it. With its use, or its
 * end, a secret is erased.
 */
export class InviteBook {
  readonly #file: string
  readonly #clock: Clock
  #invites: Invites
  /** One change after the other: two at once would each write what the other has not seen. */
  #tail: Promise<unknown> = Promise.resolve()

  private constructor(file: string, clock: Clock, invites: Invites) {
    this.#file = file
    this.#clock = clock
    this.#invites = invites
  }

  /** Throws KEY_MODE_WIDE, CONFIG_INVALID for a damaged file. */
  static async open(file: string, clock: Clock): Promise<InviteBook> {
    return new InviteBook(file, clock, await readInvites(file))
  }

  /** Whether a stranger may come in now to show its invite. */
  readonly isOpen = (peerId: string): boolean =>
    isInviteOpen(this.#invites, peerId, this.#clock.wallMs())

  find(id: string): Invite | undefined {
    return this.#invites.find((invite) => invite.id === id)
  }

  /** Resolves once it is durable. Throws OVERLOADED, USAGE, STATE_UNWRITABLE. */
  async add(wanted: NewInvite): Promise<Invite> {
    return await this.#inTurn(async () => {
      const [next, answer] = openInvite(this.#invites, wanted, this.#clock.wallMs())
      switch (answer.kind) {
        case 'opened':
          await this.#keep(next)
          return answer.invite
        case 'full':
          throw new MeshError('OVERLOADED', { what: 'the list of open invites', max: answer.max })
        default:
          throw new MeshError('USAGE', { problem: `an invite is good ${answer.maxMs} ms at most` })
      }
    })
  }

  /** Resolves once the use of the invite is durable. Throws STATE_UNWRITABLE. */
  async take(attempt: JoinAttempt): Promise<TakeAnswer> {
    return await this.#inTurn(async () => {
      const [next, answer] = takeInvite(this.#invites, attempt, this.#clock.wallMs())
      await this.#keep(next)
      return answer
    })
  }

  async #keep(next: Invites): Promise<void> {
    if (next === this.#invites) return
    // Before it counts, and before anybody hears of it: burned stays burned over a crash.
    await writeDurable(this.#file, encodeInvites(next), 0o600)
    this.#invites = next
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(task)
    this.#tail = turn.catch(() => undefined)
    return turn
  }
}

async function readInvites(file: string): Promise<Invites> {
  try {
    return decodeInvites(await readSecretFile(file, FILE_BYTES_MAX), file)
  } catch (error) {
    const code = codeOf(error)
    if (code === 'STATE_ABSENT') return []
    if (code === 'KEY_MODE_WIDE' || code === 'STATE_UNWRITABLE') throw error
    const problem = `it is damaged (${causeOf(error)}): remove it, and make its invites anew`
    throw new MeshError('CONFIG_INVALID', { file, problem }, { cause: error })
  }
}
