import type { Checker } from '../events.ts'

/**
 * I5: a claim is counted once, however often it is asked for: whoever gave it up, and asked again,
 * has one lease of it, in one epoch.
 */
export function checkOneLeaseAClaim(): Checker {
  const epochs = new Map<string, number>()
  return (event) => {
    if (event.kind !== 'chosen' || event.value.kind !== 'job') return
    const { register, lease, epoch } = event.value
    if (lease === undefined) return
    const name = `${register} ${lease.claimId}`
    const known = epochs.get(name) ?? epoch
    epochs.set(name, known)
    return known === epoch ? undefined : `I5: claim ${name} is counted in ${known} and ${epoch}`
  }
}
