/*
 * The proxy by which a job reaches hosts by their names, one of its own for each job.
 */

/**
 * Port of every job's proxy, each on the address of its own job's bridge: an agent that restarts
 * finds it again without a record. Beside the port that agents listen on.
 */
export const EGRESS_PORT = 4_480
/** Connections of one job to its proxy, and of its proxy to the world: package managers use 50. */
export const EGRESS_CONNECTIONS_MAX = 256
/** New connections of one job in a second: as many as it may have, so that any burst fits. */
export const EGRESS_NEW_CONNECTIONS_MAX = 256
/** Bytes that a job's connection has parsed in one turn: of the shortest requests 57 fit. */
export const EGRESS_SLICE_BYTES_MAX = 1_024
/** Bytes of the head of one request or answer: what Node and nginx take. */
export const EGRESS_HEAD_BYTES_MAX = 16_384
/** Milliseconds for the head of a request, so that a slow one does not keep its connection. */
export const EGRESS_HEAD_MS_MAX = 10_000
/** Milliseconds that a connection may wait for its next request. */
export const EGRESS_KEEP_ALIVE_MS_MAX = 15_000
/** Milliseconds for one question to one name server; each is asked twice. */
export const EGRESS_NAME_MS_MAX = 2_500
/** Addresses of one name that are tried: more of them share one fault. */
export const EGRESS_ADDRESSES_MAX = 4
/** Milliseconds for a connection to one address: the first packet is sent four times in 10 s. */
export const EGRESS_CONNECT_MS_MAX = 10_000
/** Milliseconds without a byte in either direction, after which a connection ends. */
export const EGRESS_IDLE_MS_MAX = 300_000
/** Likewise, where one of the two has said that it sends no more. */
export const EGRESS_HALF_OPEN_MS_MAX = 30_000
/**
 * Milliseconds that a client which was refused has to read why and go: nginx gives as many without
 * a byte, and it holds one of the job's connections meanwhile.
 */
export const EGRESS_LINGER_MS_MAX = 5_000
/** Bytes that are still taken of it, unread: a body that was on its way, and no way to send on. */
export const EGRESS_LINGER_BYTES_MAX = 1_048_576
/** Lines about single decisions in one job's log; what comes beyond them is counted. */
export const EGRESS_LINES_MAX = 200
/** Names with a port that an audit remembers: 16 lists of a pipeline. */
export const EGRESS_AUDITED_MAX = 1_024
