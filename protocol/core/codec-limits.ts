/**
 * Run and job ids kept with their bytes: those of the jobs at hand come with every message. A power
 * of two.
 */
export const REGISTER_NAMES_KEPT_MAX = 8_192
