/*
 * Limits of secrets and of masking; docs/limits.md lists them with those of limits.ts.
 */

/** Bytes of the shortest spelling that is masked: a shorter one is in every other word. */
export const MASKED_BYTES_MIN = 4
/** Bytes of one value: a private key of 8 192 bits has 6 KiB, and the environment takes 128. */
export const SECRET_BYTES_MAX = 16_384
/** Characters of a secret's name: it is the name of a variable. */
export const SECRET_NAME_CHARACTERS_MAX = 64
/** Secrets of one repository: the list of one answer fits its frame. */
export const SECRETS_PER_REPOSITORY_MAX = 100
/** Secrets that one job may name: as many as the masker's speed is measured with. */
export const SECRETS_PER_JOB_MAX = 50
/** Bytes of all values of one job: its masker keeps about 300 bytes of memory for each. */
export const SECRETS_PER_JOB_BYTES_MAX = 131_072
/** Patterns of refs or images in one secret's rules. */
export const SECRET_RULES_MAX = 16
