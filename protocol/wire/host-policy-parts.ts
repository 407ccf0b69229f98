import type { Closing } from '../core/closing.ts'
import { starsIn } from '../core/glob.ts'
import type { HostPolicy } from '../core/host-policy.ts'
import {
  HOST_POLICY_BYTES_MAX,
  HOST_POLICY_PATTERNS_MAX,
  HOST_POLICY_STARS_MAX
} from '../core/host-policy-limits.ts'
import { GLOB_CHARACTERS_MAX, NAME_CHARACTERS_MAX } from '../core/limits.ts'
import { line, list, refuse } from './fields.ts'
import * as wire from './generated/gossip.ts'
import { names } from './names.ts'

/** Most elements of its lists, refused while they are read. */
export const HOST_POLICY_LIMITS = {
  repositories: HOST_POLICY_PATTERNS_MAX,
  refs: HOST_POLICY_PATTERNS_MAX,
  events: HOST_POLICY_PATTERNS_MAX,
  authors: HOST_POLICY_PATTERNS_MAX,
  images: HOST_POLICY_PATTERNS_MAX,
  registries: HOST_POLICY_PATTERNS_MAX
}

const closers = names<Closing['by'], wire.ClosedBy>('closing', {
  hours: wire.ClosedBy.CLOSED_BY_HOURS,
  load: wire.ClosedBy.CLOSED_BY_LOAD
})

type Lists = Record<keyof typeof HOST_POLICY_LIMITS, readonly string[]>
type Policy = Lists & { readonly pinned: boolean; readonly trustedOnly: boolean }

/** Both sides spell it alike. */
function checked(policy: Policy): wire.HostPolicy {
  const lists = {
    repositories: patterns(policy.repositories, 'repositories'),
    refs: patterns(policy.refs, 'refs'),
    events: patterns(policy.events, 'events'),
    authors: patterns(policy.authors, 'authors'),
    images: patterns(policy.images, 'images'),
    registries: patterns(policy.registries, 'registries')
  }
  const bytes = Buffer.byteLength(Object.values(lists).flat().join(''))
  if (bytes > HOST_POLICY_BYTES_MAX) {
    refuse('policy', `has ${bytes} bytes, at most ${HOST_POLICY_BYTES_MAX} are allowed`)
  }
  const stars = starsIn(Object.values(lists).flat())
  if (stars > HOST_POLICY_STARS_MAX) {
    refuse('policy', `has ${stars} stars, at most ${HOST_POLICY_STARS_MAX} are allowed`)
  }
  return { ...lists, pinned: policy.pinned, trustedOnly: policy.trustedOnly }
}

function patterns(values: readonly string[], field: string): string[] {
  return list(values, HOST_POLICY_PATTERNS_MAX, field, (each) => {
    return line(each, GLOB_CHARACTERS_MAX, field)
  })
}

export function policyToWire(policy: HostPolicy): wire.HostPolicy {
  return checked(policy)
}

export function policyFromWire(policy: wire.HostPolicy): HostPolicy {
  return checked(policy)
}

export function closingToWire({ by, text }: Closing): wire.Closing {
  return { by: closers.toWire(by), text: line(text, NAME_CHARACTERS_MAX, 'closing') }
}

export function closingFromWire({ by, text }: wire.Closing): Closing {
  return { by: closers.fromWire(by), text: line(text, NAME_CHARACTERS_MAX, 'closing') }
}
