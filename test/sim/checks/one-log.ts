import type { Checker } from '../events.ts'

/**
 * The lines of one epoch have the numbers from 1 on, in the order in which the job wrote them, each
 * one and the same and none left out, by whichever process. They may be shown again.
 */
export function checkOneLog(): Checker {
  const shown = new Map<string, number>()
  return (event) => {
    if (event.kind !== 'logs') return
    const { job, epoch, first, last, line } = event
    const name = `${job}/${epoch}`
    const before = shown.get(name) ?? 0
    shown.set(name, Math.max(before, last))
    if (line !== first) return `log: line ${line} of epoch ${epoch} of ${job} is shown as ${first}`
    if (first <= before + 1) return
    return `log: number ${first} of epoch ${epoch} of ${job} comes after ${before}`
  }
}
