import type { IncomingHttpHeaders } from 'node:http'
import type { z } from 'zod'
import type { PullRequestEvent, SourceEvent } from '../source-event.ts'

/** The Git servers whose deliveries are taken; the names that `forge` in gateway.yaml knows. */
export const FORGES = ['git', 'gitea', 'forgejo', 'github', 'gitlab'] as const

export type ForgeName = (typeof FORGES)[number]

/** Where a forge's deliveries are posted (decision 7). */
export function hookPath(forge: ForgeName): `/hooks/${ForgeName}` {
  return `/hooks/${forge}`
}

/** One request as it came. */
export interface Incoming {
  readonly headers: IncomingHttpHeaders
  /** What was signed: never what a parser made of it. */
  readonly bytes: Uint8Array
  /** The same bytes, which are UTF-8. */
  readonly text: string
  /** Wall clock. */
  readonly receivedAtMs: number
}

/** The repository that a body names: it selects a declared entry, and does no more (decision 5). */
export interface NamedRepository {
  readonly name: string
  /** Where the forge says that it can be cloned, the likeliest first. */
  readonly urls: readonly string[]
}

export type HookEvent =
  | { readonly kind: 'event'; readonly event: SourceEvent }
  /** Starts nothing, and ends what still waits for an approval. */
  | { readonly kind: 'closed'; readonly event: PullRequestEvent }
  /** One of the forge's own jobs is not what it was: it has this number. */
  | { readonly kind: 'job'; readonly job: string }
  /** Authentic, but nothing that starts a run. */
  | { readonly kind: 'ignored'; readonly reason: string }

/** What a delivery says; nobody vouches for it yet. */
export interface Claim {
  /** Name of the event, fit to be shown. */
  readonly event: string
  readonly repository: NamedRepository | undefined
  /** What it means, to be asked once the secret has vouched for it. Throws BODY_INVALID. */
  meaning(): HookEvent
}

/** One repository's secret, ready to check deliveries. */
export interface HookSecret {
  /**
   * The delivery's id, once its body is known to be its sender's. Throws SIGNATURE_MISMATCH,
   * TIMESTAMP_OFF, and REQUEST_INVALID for a delivery without a usable id.
   */
  verify(incoming: Incoming, repository: string): string
}

export type ReadSecret =
  | { readonly kind: 'usable'; readonly secret: HookSecret }
  | { readonly kind: 'unusable'; readonly problem: string }

/** How the API document describes a hook's route. */
export interface HookDocument {
  readonly summary: string
  readonly description: string
  readonly headers: z.ZodType
  readonly body: z.ZodType
}

/** What differs between Git servers; each has a file of its own. */
export interface ForgeHook {
  readonly forge: ForgeName
  readonly document: HookDocument
  /** Throws BODY_INVALID, and SIGNATURE_MISMATCH where there is nothing that could be one. */
  read(incoming: Incoming): Claim
  /** From the text of a secret file. */
  secretOf(text: string): ReadSecret
  /** Text of a secret file with a new secret. */
  newSecret(): string
}

/** A header sent twice is one that no check knows. */
export function headerOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name.toLowerCase()]
  return Array.isArray(value) ? value.join(', ') : value
}
