/* What the losses and restarts of agents may cost, exported by limits.ts with all the others. */

/**
 * Different hosts that one job may be lost on: from then on it is `quarantined`, whatever attempts
 * it has left.
 */
export const LOSS_HOSTS_MAX = 2
/**
 * Times that a witness tries, one anti-entropy period apart, to write back what it lacks itself.
 */
export const WRITE_BACKS_MAX = 30
