/*
 * Limits of secrets and of masking; docs/limits.md lists them with those of limits.ts.
 */

/** Bytes of the shortest spelling that is masked: a shorter one is in every other word. */
export const MASKED_BYTES_MIN = 4
/** Bytes of one value: a private key of 8 192 bits has 6 KiB, and the environment takes 128. */
export const SECRET_BYTES_MAX = 16_384
/** Characters of a secret's name: it is the name of a variable. */
export const SECRET_NAME_CHARACTERS_MAX = 64
/** Characters of a registry's host and port: a host's name has 253. */
export const REGISTRY_CHARACTERS_MAX = 259
/** Characters of the user of a registry. */
export const REGISTRY_USER_CHARACTERS_MAX = 128
/** Secrets of one repository: the list of one answer fits its frame. */
export const SECRETS_PER_REPOSITORY_MAX = 100
/** Secrets that one job may name: as many as the masker's speed is measured with. */
export const SECRETS_PER_JOB_MAX = 50
/** Bytes of all values of one job: its masker keeps up to 2 KiB of memory for each, 64 MiB. */
export const SECRETS_PER_JOB_BYTES_MAX = 32_768
/** Patterns of refs or images in one secret's rules. */
export const SECRET_RULES_MAX = 16
/** Releases to one attempt within a minute: answers are lost, and agents start again. */
export const SECRET_RELEASES_MAX = 16
/** Milliseconds in which they are counted: an agent asks for as long before it gives up. */
export const SECRET_RELEASES_EVERY_MS = 60_000
/** Values of one secret before the last one that a gateway still masks: jobs may have them. */
export const SECRET_RETIRED_MAX = 8
/** Milliseconds for which it does: a job's longest, and days for a log that comes late. */
export const SECRET_RETIRED_MS_MAX = 604_800_000
/** Attempts whose releases a gateway counts; of older ones it forgets the count. */
export const SECRET_ATTEMPTS_COUNTED_MAX = 10_000
/** Jobs whose masker a gateway keeps made: each has 4 to 64 MiB, and others are made anew. */
export const LOG_MASKERS_MAX = 8
/** Jobs of which a gateway has said that it refuses their log: of older ones it says so again. */
export const LOG_REFUSALS_SAID_MAX = 1_000
/** Milliseconds for which an agent asks for secrets before it gives the job back. */
export const SECRETS_WAIT_MS_MAX = 60_000
/** Milliseconds of one such request: the gateway reads the job's register from a quorum. */
export const SECRETS_REQUEST_MS_MAX = 10_000
