/** Pull requests of one repository that wait for an approval: whoever can fork it can open more. */
export const REPOSITORY_APPROVALS_MAX = 100
/** Pull requests that wait for an approval at one gateway: a fifth of DELIVERIES_KEPT_MAX. */
export const APPROVALS_WAITING_MAX = 2_000
/** Changed paths that filters are asked about; above it a change counts as one of every path. */
export const CHANGED_PATHS_MAX = 10_000
/** Commits of each side that are fetched to find where a pull request has left its base. */
export const MERGE_BASE_DEPTH = 200
