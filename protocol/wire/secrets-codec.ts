import {
  SECRET_BYTES_MAX,
  SECRET_NAME_CHARACTERS_MAX,
  SECRETS_PER_JOB_BYTES_MAX,
  SECRETS_PER_JOB_MAX
} from '../core/secret-limits.ts'
import { loose, messageCodec } from './codec.ts'
import {
  blob,
  bytesOf,
  count,
  hexOf,
  ID_BYTES,
  jobId,
  line,
  lineOrNone,
  list,
  need,
  ownBlob
} from './fields.ts'
import * as wire from './generated/secrets.ts'
import { names } from './names.ts'

export interface SecretsRequest {
  readonly job: string
  readonly epoch: number
  /** 32 hex digits. */
  readonly claimId: string
  /** 32 hex digits, which the answer repeats. */
  readonly nonce: string
  readonly names: readonly string[]
}

export interface ReleasedSecret {
  readonly name: string
  /** Its only reader erases it. */
  readonly value: Uint8Array
}

/** `not_holder`, `unknown_job` and `too_often` may be otherwise later; the others stay. */
export type SecretRefusal =
  | 'not_holder'
  | 'unknown_job'
  | 'unset'
  | 'unnamed'
  | 'untrusted'
  | 'event'
  | 'branch'
  | 'image'
  | 'registry'
  | 'isolation'
  /** Of a slot: its forge gives it no runner, or nothing is left for one to do. */
  | 'runner'
  /** Of a slot that goes on: its gateway was restarted, and has its configuration no more. */
  | 'forgotten'
  | 'unreadable'
  | 'too_often'
  | 'too_large'

export type SecretsReply = { readonly nonce: string } & (
  | { readonly kind: 'released'; readonly secrets: readonly ReleasedSecret[] }
  | {
      readonly kind: 'refused'
      readonly reason: SecretRefusal
      /** The secret that it is about; '' where it is about none alone. */
      readonly name: string
    }
)

/** Room for ids, names and framing. */
const ENVELOPE_BYTES_MAX = 16_384

const refusals = names<SecretRefusal, wire.SecretRefusal>('reason', {
  not_holder: wire.SecretRefusal.SECRET_REFUSAL_NOT_HOLDER,
  unknown_job: wire.SecretRefusal.SECRET_REFUSAL_UNKNOWN_JOB,
  unset: wire.SecretRefusal.SECRET_REFUSAL_UNSET,
  unnamed: wire.SecretRefusal.SECRET_REFUSAL_UNNAMED,
  event: wire.SecretRefusal.SECRET_REFUSAL_EVENT,
  branch: wire.SecretRefusal.SECRET_REFUSAL_BRANCH,
  image: wire.SecretRefusal.SECRET_REFUSAL_IMAGE,
  unreadable: wire.SecretRefusal.SECRET_REFUSAL_UNREADABLE,
  too_often: wire.SecretRefusal.SECRET_REFUSAL_TOO_OFTEN,
  too_large: wire.SecretRefusal.SECRET_REFUSAL_TOO_LARGE,
  untrusted: wire.SecretRefusal.SECRET_REFUSAL_UNTRUSTED,
  registry: wire.SecretRefusal.SECRET_REFUSAL_REGISTRY,
  isolation: wire.SecretRefusal.SECRET_REFUSAL_ISOLATION,
  runner: wire.SecretRefusal.SECRET_REFUSAL_RUNNER,
  forgotten: wire.SecretRefusal.SECRET_REFUSAL_FORGOTTEN
})

const requests = messageCodec<SecretsRequest, wire.SecretsRequest>({
  what: 'request for secrets',
  generated: wire.SecretsRequest,
  limits: { names: SECRETS_PER_JOB_MAX },
  bytesMax: ENVELOPE_BYTES_MAX,
  toWire: (request) => ({
    ...requestParts(request),
    claimId: bytesOf(request.claimId, ID_BYTES, 'claimId'),
    nonce: bytesOf(request.nonce, ID_BYTES, 'nonce')
  }),
  fromWire: (message) => ({
    ...requestParts(message),
    claimId: hexOf(message.claimId, ID_BYTES, 'claimId'),
    nonce: hexOf(message.nonce, ID_BYTES, 'nonce')
  })
})

const replies = messageCodec<SecretsReply, wire.SecretsReply>({
  what: 'answer with secrets',
  generated: wire.SecretsReply,
  limits: { released: { secrets: SECRETS_PER_JOB_MAX } },
  bytesMax: SECRETS_PER_JOB_BYTES_MAX + ENVELOPE_BYTES_MAX,
  toWire: (reply) =>
    loose<wire.SecretsReply>({
      nonce: bytesOf(reply.nonce, ID_BYTES, 'nonce'),
      ...(reply.kind === 'released'
        ? { released: { secrets: list(reply.secrets, SECRETS_PER_JOB_MAX, 'secrets', toWire) } }
        : { refused: { reason: refusals.toWire(reply.reason), name: anyName(reply.name) } })
    }),
  fromWire: ({ nonce: bytes, released, refused }) => {
    const nonce = hexOf(bytes, ID_BYTES, 'nonce')
    if (released === undefined) {
      const { reason, name } = need(refused, 'reply')
      return { nonce, kind: 'refused', reason: refusals.fromWire(reason), name: anyName(name) }
    }
    const secrets = list(released.secrets, SECRETS_PER_JOB_MAX, 'secrets', fromWire)
    return { nonce, kind: 'released', secrets }
  }
})

/** Throws MESSAGE_INVALID, MESSAGE_TOO_LARGE, as all of these do. */
export function encodeSecretsRequest(request: SecretsRequest): Uint8Array {
  return requests.encode(request)
}

export function decodeSecretsRequest(bytes: Uint8Array, from?: string): SecretsRequest {
  return requests.decode(bytes, from)
}

export function encodeSecretsReply(reply: SecretsReply): Uint8Array {
  return replies.encode(reply)
}

export function decodeSecretsReply(bytes: Uint8Array, from?: string): SecretsReply {
  return replies.decode(bytes, from)
}

function requestParts(request: Pick<SecretsRequest, 'job' | 'epoch' | 'names'>) {
  return {
    job: jobId(request.job),
    epoch: count(request.epoch, 'epoch', Number.MAX_SAFE_INTEGER, 1),
    names: list(request.names, SECRETS_PER_JOB_MAX, 'names', name)
  }
}

function toWire(secret: ReleasedSecret): wire.ReleasedSecret {
  return { name: name(secret.name), value: blob(secret.value, SECRET_BYTES_MAX, 'value') }
}

function fromWire(secret: wire.ReleasedSecret): ReleasedSecret {
  return { name: name(secret.name), value: ownBlob(secret.value, SECRET_BYTES_MAX, 'value') }
}

function name(value: string): string {
  return line(value, SECRET_NAME_CHARACTERS_MAX, 'name')
}

function anyName(value: string): string {
  return lineOrNone(value, SECRET_NAME_CHARACTERS_MAX, 'name')
}
