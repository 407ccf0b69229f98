import type { Checker } from '../events.ts'
import { Sleep } from './sleep.ts'

/**
 * I8: a job's own commands never begin after the deadline, but for one tick of the guard; on a host
 * that was asleep then, one tick after it woke.
 */
export function checkI8(guardTickMs: number): Checker {
  const sleep = new Sleep()
  return (event) => {
    sleep.see(event)
    if (event.kind !== 'user_code' || sleep.isLagging(event.host)) return
    const dueMs = Math.max(event.untilMs, sleep.wokeMs(event.host))
    if (event.atMs < dueMs + guardTickMs) return
    const lateMs = Math.round(event.atMs - event.untilMs)
    return `I8: ${event.job} begins ${lateMs} ms after its deadline`
  }
}
