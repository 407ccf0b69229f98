/** Orders for a run that ask their Git servers at one time: each is a process of git. */
export const ORDER_LOOKS_MAX = 8
/** Milliseconds of one order to an agent: it only says what it does from now on. */
export const ORDER_REQUEST_MS_MAX = 10_000
/** Characters of an order's key: it is in the nonce of a run, behind that of the run it repeats. */
export const ORDER_KEY_CHARACTERS_MAX = 64
