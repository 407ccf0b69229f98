import type { Checker } from '../events.ts'

/** I8: a job's own commands never begin after the deadline, but for one tick of the guard. */
export function checkI8(guardTickMs: number): Checker {
  return (event) => {
    if (event.kind !== 'user_code' || event.atMs < event.untilMs + guardTickMs) return
    const lateMs = Math.round(event.atMs - event.untilMs)
    return `I8: ${event.job} begins ${lateMs} ms after its deadline`
  }
}
