/** What can start a run, by the names that announcements and pipeline files have for it. */
export const RUN_EVENTS = ['push', 'tag', 'pull_request', 'manual', 'schedule'] as const

export type RunEvent = (typeof RUN_EVENTS)[number]

export function isRunEvent(name: string): name is RunEvent {
  return RUN_EVENTS.some((event) => event === name)
}
