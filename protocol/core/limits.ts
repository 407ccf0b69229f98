/*
 * Every limit of the project: name, unit, reason. docs/limits.md lists them and a test holds the two
 * together. A limit that users may change is a setting with this default.
 */

/** Bytes of one pipeline file: far above what people write, far below what hurts a parser. */
export const PIPELINE_BYTES_MAX = 262_144
/** YAML aliases in one pipeline file: enough for shared steps, too few for a billion laughs. */
export const YAML_ALIASES_MAX = 50
/** Jobs of one run: one manifest must stay a message (MANIFEST_BYTES_MAX). */
export const JOBS_PER_RUN_MAX = 256
/** Steps of one job: each is an exec, a line on a page and a row in the outcome. */
export const STEPS_PER_JOB_MAX = 64
/** Bytes of one step's script: it travels as one argument of `sh -c` (the kernel allows 128 KiB). */
export const SCRIPT_BYTES_MAX = 65_536
/** Environment variables of one job. */
export const ENV_ENTRIES_MAX = 128
/** Bytes of one environment value. */
export const ENV_VALUE_BYTES_MAX = 32_768
/** Labels of one job or agent. */
export const LABELS_MAX = 32
/** Characters of a label's key or value, a job's, step's or member's name. */
export const NAME_CHARACTERS_MAX = 100
/** Milliseconds that any job may run; also what an unset `timeout` is capped at. */
export const JOB_TIMEOUT_MS_MAX = 86_400_000
/** Milliseconds that a job runs when nothing else is said. */
export const JOB_TIMEOUT_MS_DEFAULT = 3_600_000
/** Bytes of one announcement: a run's manifest with its signature (lease-protocol 3). */
export const MANIFEST_BYTES_MAX = 1_048_576
/** Bytes of an announcement that still travels by gossip; above it only its hint does. */
export const GOSSIP_MANIFEST_BYTES_MAX = 131_072
/** Bytes of one gossip message; gossipsub's own default of 4 MB would let one peer fill us. */
export const GOSSIP_BYTES_MAX = 262_144
/** Bytes of one register value: 16 ended leases and 64 step results fit several times. */
export const VALUE_BYTES_MAX = 131_072
/** Bytes of one frame on a request stream: one announcement with its value, and room. */
export const FRAME_BYTES_MAX = 2_097_152
/** Requests in flight on one stream (lease-protocol 6.3); more are refused as `overload`. */
export const REQUESTS_IN_FLIGHT_MAX = 256
/** Bytes that may wait to be written to one peer: a stopped peer must not grow our memory. */
export const OUTBOUND_BUFFER_BYTES_MAX = 4_194_304
/** Members of one roster; above about 1 000 a full list is the wrong tool. */
export const MEMBERS_MAX = 1_024
/** Addresses of one member. */
export const ADDRESSES_MAX = 8
/** Bytes of one sealed roster. */
export const ROSTER_BYTES_MAX = 1_048_576
/** Old rosters kept: open registers name them by witness epoch. */
export const ROSTERS_KEPT_MAX = 256
/** Connections of one node: every member, and as many again while links are replaced. */
export const CONNECTIONS_MAX = 2_048
/** Entries of a register's history (lease-protocol 4.2). */
export const HISTORY_ENTRIES_MAX = 16
/** Remembered operation ids of a register (lease-protocol 4.2). */
export const LAST_OPS_MAX = 8
/** Attempts of a job with `on_loss: retry`. */
export const ATTEMPTS_MAX = 3
/** How far above all it has seen a witness lets a ballot's round jump: no one can exhaust 2**53. */
export const BALLOT_JUMP_MAX = 1_048_576
/** Rounds of one change before it is reported as unresolved; back-off makes this about a minute. */
export const CHANGE_ROUNDS_MAX = 40
/** Milliseconds of the longest back-off between two rounds. */
export const BACKOFF_MS_MAX = 2_000
/** Milliseconds of the first back-off; it doubles each round. */
export const BACKOFF_MS_MIN = 50
/** Registers that a witness holds in memory: timers of leased ones must not be forgotten. */
export const WITNESS_REGISTERS_MAX = 50_000
/** Items of one SYNC page. */
export const SYNC_ITEMS_MAX = 256
/** Items of one RENEW message: the jobs one agent holds. */
export const RENEW_ITEMS_MAX = 256
/** Runs on one member's board; the oldest ended ones go first. */
export const BOARD_RUNS_MAX = 5_000
/** Register reads side by side while the board catches up. */
export const BOARD_READS_MAX = 16
/** Bytes of a webhook body: a push lists at most its branch and commits. */
export const DELIVERY_BYTES_MAX = 1_048_576
/** Seconds that a delivery's timestamp may be off (Standard Webhooks). */
export const DELIVERY_AGE_S_MAX = 300
/** Deliveries kept for de-duplication and display. */
export const DELIVERIES_KEPT_MAX = 10_000
/** Deliveries accepted but not yet recorded on a quorum; above it the hook answers 503. */
export const INTAKE_QUEUE_MAX = 2_000
/** Deliveries worked on side by side: each fetches a commit. */
export const INTAKE_PARALLEL_MAX = 4
/** Repositories declared in one gateway.yaml. */
export const REPOSITORIES_MAX = 1_000
/** Bytes of one log line; a longer one is cut and marked. */
export const LOG_LINE_BYTES_MAX = 16_384
/** Bytes of one log chunk; it is sent at the latest after LOG_CHUNK_MS. */
export const LOG_CHUNK_BYTES_MAX = 32_768
/** Milliseconds that a line waits for company before it is sent. */
export const LOG_CHUNK_MS_MAX = 200
/** Bytes of one attempt's log; what comes after is counted, not kept. */
export const LOG_BYTES_MAX = 67_108_864
/** Bytes of an outcome's or error's message. */
export const MESSAGE_BYTES_MAX = 4_096
/** Milliseconds for fetching one commit. */
export const CHECKOUT_MS_MAX = 600_000
/** Bytes that a checkout may take on the agent's disk. */
export const CHECKOUT_BYTES_MAX = 4_294_967_296
/** Milliseconds for getting an image. */
export const IMAGE_PULL_MS_MAX = 900_000
/** Milliseconds for one engine call that should be quick. */
export const ENGINE_CALL_MS_MAX = 60_000
/** Processes in one sandbox. */
export const PIDS_MAX = 512
/** Rows that one page of the API holds. */
export const PAGE_ROWS_MAX = 200
/** Milliseconds after which an agent that is silent is shown as suspect. */
export const SUSPECT_AFTER_MS = 45_000
/** Milliseconds after which a silent agent is shown as offline. */
export const OFFLINE_AFTER_MS = 120_000
/** Milliseconds between two advertisements when nothing changes (+- 20 %). */
export const ADVERTISE_EVERY_MS = 30_000
/** Milliseconds between two advertisements at least. */
export const ADVERTISE_EVERY_MS_MIN = 1_000
/** Milliseconds that dials to members with an older roster are retried. */
export const ROSTER_PUSH_MS_MAX = 30_000
/** Milliseconds that an announcement may wait to be claimed (lease-protocol 4.10). */
export const ANNOUNCEMENT_VALID_MS = 86_400_000
