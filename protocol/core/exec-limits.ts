/* The numbers of `agent exec`; docs/limits.md lists them with those of limits.ts. */

/** Milliseconds that its deadline lies ahead: a killed one leaves its container for no longer. */
export const EXEC_LEASE_MS = 15_000
/** Milliseconds between two times that it sets its deadline anew. */
export const EXEC_RENEW_MS = 2_000
