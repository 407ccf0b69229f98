/*
 * What a job's network may be, and how long what holds it may take.
 */

/** Entries of one job's `network.allow`: each is an element of a kernel set, and a line to read. */
export const NETWORK_ALLOW_MAX = 64
/** Characters of one such entry: the longest name of a host, `*.` before it, ports behind it. */
export const NETWORK_ENTRY_CHARACTERS_MAX = 267
/** Characters of a host's name without its final dot: what the DNS can carry. */
export const HOST_NAME_CHARACTERS_MAX = 253
/** Name servers of a job: as many as a C library asks. */
export const NAME_SERVERS_MAX = 3
/** Bits of the subnet that one job's network gets: 62 addresses, for a job and its services. */
export const JOB_SUBNET_BITS = 26
/** Subnets that are tried for one job's network: others of this host may take them meanwhile. */
export const SUBNET_TRIES_MAX = 16
/** Milliseconds that one run of `nft` or `iptables` may take; they answer in a few. */
export const RULES_CALL_MS_MAX = 10_000
/** Seconds that `iptables` waits for others of this host that change rules; less than a run takes. */
export const RULES_WAIT_S = 5
/**
 * Milliseconds between two looks at the host's rules while a job has a network: for so long a
 * `flush ruleset` of somebody else stays unseen.
 */
export const NETWORK_CHECK_EVERY_MS = 2_000
/**
 * Looks in a row that may fail before jobs lose their networks: one fails where the host is too
 * busy for it, and until the last one jobs may reach what their policies forbid.
 */
export const NETWORK_FAILURES_MAX = 3
/**
 * Milliseconds until a host that could not prove its rules at its start tries again: whatever an
 * owner mends counts within a minute, without a restart.
 */
export const NETWORK_PROOF_EVERY_MS = 60_000
/** Ranges that an owner may name in `network.deny`: each is a rule, or an element of a kernel set. */
export const NETWORK_DENY_MAX = 64
/**
 * Connections that a job and its services may have open to places beyond their bridge: some hundred
 * are many, and the host's own table of them (`nf_conntrack_max`) often has 65 536 for everybody.
 */
export const JOB_CONNECTIONS_MAX = 2_048
/**
 * New ones a second, once JOB_CONNECTIONS_BURST are used up: one that has ended is in the host's
 * table for two minutes more.
 */
export const JOB_CONNECTIONS_PER_S = 100
/** New ones at once of a job that was quiet: a package manager asks for hundreds of packages. */
export const JOB_CONNECTIONS_BURST = 2_000
