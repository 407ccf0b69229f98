/**
 * Times by which the timeouts of a job and of its steps are longer where its platform is emulated:
 * a compiler under qemu takes five times and more of what it takes on a processor of its own.
 */
export const EMULATED_TIMEOUT_FACTOR = 5
