import { RECONCILE_REDELIVERIES_MAX } from '../../protocol/core/forge-limits.ts'
import { type ForgeName, hookPath } from '../hooks/forge-hook.ts'

/** One time that a forge has sent a delivery, in words that all forges have some field for. */
export interface DeliveryTry {
  readonly id: number
  /** The same for a redelivery as for what was sent first. */
  readonly key: string
  readonly isTaken: boolean
  /** Of an event that starts runs. */
  readonly isOfRun: boolean
  /** Wall clock; NaN where the forge does not say. */
  readonly atMs: number
}

/** The newest try of each delivery that nobody took in any: one that was taken settles them all. */
export function lostOf(
  newestFirst: readonly DeliveryTry[],
  sinceMs: number
): readonly DeliveryTry[] {
  const byKey = new Map<string, DeliveryTry[]>()
  for (const each of newestFirst) byKey.set(each.key, [...(byKey.get(each.key) ?? []), each])
  return [...byKey.values()].flatMap((tries) => {
    const [newest] = tries
    const isTaken = tries.some((each) => each.isTaken)
    if (newest === undefined || isTaken || tries.length > RECONCILE_REDELIVERIES_MAX) return []
    // Of unknown age it may be from before the first look, for which nothing is run.
    return newest.isOfRun && newest.atMs >= sinceMs ? [newest] : []
  })
}

/** By the whole URL where it is known from outside, else by its path, which no other hook has. */
export function isOurHook(
  forge: ForgeName,
  url: string | undefined,
  hookUrl: string | undefined
): boolean {
  if (url === undefined || !URL.canParse(url)) return false
  return hookUrl === undefined ? new URL(url).pathname.endsWith(hookPath(forge)) : url === hookUrl
}
