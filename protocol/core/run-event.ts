/** What a pipeline file can be asked to start jobs for, by its own names. */
export const PIPELINE_EVENTS = ['push', 'tag', 'pull_request', 'manual', 'schedule'] as const

/**
 * What can start a run, by the names that announcements have for it. `workflow_job` is no event of
 * a pipeline file: a forge's own job waits for a runner, which the run is.
 */
export const RUN_EVENTS = [...PIPELINE_EVENTS, 'workflow_job'] as const

export type RunEvent = (typeof RUN_EVENTS)[number]

export function isRunEvent(name: string): name is RunEvent {
  return RUN_EVENTS.some((event) => event === name)
}
