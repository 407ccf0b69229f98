/*
 * Every limit of the project: name, unit, reason. docs/limits.md lists them and a test holds the
 * two together. A limit that users may change is a setting with this default.
 */

/** Bytes of one pipeline file: far above what people write, far below what hurts a parser. */
export const PIPELINE_BYTES_MAX = 262_144
/** YAML aliases in one pipeline file: enough for shared steps, too few for a billion laughs. */
export const YAML_ALIASES_MAX = 50
/** Jobs of one run: one manifest must stay a message (MANIFEST_BYTES_MAX). */
export const JOBS_PER_RUN_MAX = 256
/** Steps of one job: each is an exec, a line on a page and a row in the outcome. */
export const STEPS_PER_JOB_MAX = 64
/**
 * Bytes of one step's script: it travels as one argument of `sh -c` (the kernel allows 128 KiB).
 */
export const SCRIPT_BYTES_MAX = 65_536
/** Environment variables of one job. */
export const ENV_ENTRIES_MAX = 128
/** Bytes of one environment value. */
export const ENV_VALUE_BYTES_MAX = 32_768
/** Labels of one job or agent. */
export const LABELS_MAX = 32
/** Characters of a label's key or value, a job's, step's, variable's or member's name. */
export const NAME_CHARACTERS_MAX = 100
/** Characters of an image reference; the longest in use, a name with its digest, has about 200. */
export const IMAGE_CHARACTERS_MAX = 255
/**
 * Characters of a Git ref, URL, repository id or name on a forge, and of a path of the pipeline.
 */
export const REFERENCE_CHARACTERS_MAX = 2_048
/** Characters of a run's title: the first line of a commit message on one line of a terminal. */
export const TITLE_CHARACTERS_MAX = 120
/** Platforms of one advertisement: the native one and what is emulated. */
export const PLATFORMS_MAX = 32
/** Characters of one address of a member: the longest multiaddr with a DNS name, and room. */
export const ADDRESS_CHARACTERS_MAX = 512
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
/** Milliseconds that an admission waits for a state, and a starting daemon for an admission. */
export const ADMIT_WAIT_MS_MAX = 15_000
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
/** Index entries that one SYNC page looks at: a witness of old, ended jobs must stay responsive. */
export const SYNC_SCAN_MAX = 4_096
/** Bytes of writes that wait for the disk; above it a write is refused, and its peer asks again. */
export const COMMIT_QUEUE_BYTES_MAX = 67_108_864
/** Bytes of one synced batch; a larger one makes everyone wait longer. */
export const COMMIT_BATCH_BYTES_MAX = 4_194_304
/** Characters of a register's, announcement's or delivery's name in a key of the store. */
export const STORE_NAME_CHARACTERS_MAX = 256
/** Items of one RENEW message: the jobs one agent holds. */
export const RENEW_ITEMS_MAX = 256
/** Runs on one member's board; the oldest ended ones go first. */
export const BOARD_RUNS_MAX = 5_000
/** Register reads side by side while the board catches up. */
export const BOARD_READS_MAX = 16
/** Witness sets remembered: each costs one digest per witness of the roster to derive again. */
export const WITNESS_SETS_MAX = 20_000
/** Decoded values kept by their bytes: every promise and read of one round brings the same. */
export const DECODED_VALUES_MAX = 512
/** Bytes of a value that is kept decoded; larger ones are rare, and hostile ones are large. */
export const DECODED_VALUE_BYTES_MAX = 4_096
/** Public keys and peer ids kept parsed, a power of two: every member's, revoked ones included. */
export const PEER_KEYS_MAX = 4_096
/** Signatures found good that are not checked again: ended leases come back with every value. */
export const SIGNATURES_KEPT_MAX = 16_384
/** Hashes of values whose signatures were found good; a forgotten one is verified again. */
export const VERIFIED_VALUES_MAX = 20_000
/** Announcements of which a witness remembers what a job's create must match. */
export const ANNOUNCEMENT_TERMS_MAX = 10_000
/** Announcements being fetched from other members side by side; each may be MANIFEST_BYTES_MAX. */
export const ANNOUNCEMENT_FETCHES_MAX = 16
/** Bytes of announcements that one member keeps at hand; older ones are read or fetched again. */
export const ANNOUNCEMENT_SHELF_BYTES_MAX = 33_554_432
/**
 * Milliseconds by which a wall clock may be off before an announcement counts as expired (4.10).
 */
export const ANNOUNCEMENT_CLOCK_MS_MAX = 3_600_000
/** Milliseconds that a starting witness waits for links to others, to ask what they saw of it. */
export const WITNESS_INQUIRY_MS_MAX = 2_000
/** Milliseconds between two looks of a witness for leases that ran out. */
export const LEASE_SWEEP_MS = 500
/** Changes of one register that wait for the one in flight; more are OVERLOADED. */
export const CHANGES_QUEUED_MAX = 64
/** Registers whose highest seen round a proposer remembers; forgetting one costs a round. */
export const ROUNDS_KEPT_MAX = 50_000
/** Accepts being pushed side by side to witnesses that lag (4.12.17). */
export const REPAIRS_PARALLEL_MAX = 64
/** Pushed accepts that are remembered, so that the same one is not pushed twice. */
export const REPAIRS_KEPT_MAX = 10_000
/** Runs of which a member remembers that they are chosen (4.12.7). */
export const CHOSEN_RUNS_MAX = 20_000
/** Witness epochs in which a run is looked for, newest first, when only its id is known. */
export const RUN_EPOCHS_TRIED_MAX = 4
/** Registers that wait to be read for the board; while it is full, SYNC pages wait. */
export const BOARD_QUEUE_MAX = 20_000
/** Reads of one register for the board before it is left to the next change or the next start. */
export const BOARD_TRIES_MAX = 12
/** Hints a second that one publisher may cause reads with; each costs w reads on every member. */
export const HINTS_PER_S_MAX = 50
/** Hints of one publisher at once after a pause: a gateway may bring a full manifest's worth. */
export const HINTS_BURST = 512
/** Advertisements a second that one agent may publish, on average (ADVERTISE_EVERY_MS_MIN). */
export const ADVERTISEMENTS_PER_S_MAX = 2
/** Advertisements of one agent at once after a pause. */
export const ADVERTISEMENTS_BURST = 20
/** Witnesses above which anti-entropy visits a rotating cover of them instead of all (4.11). */
export const SYNC_WITNESSES_MAX = 20
/** SYNC pages that one visit of a witness takes; the rest waits for the next visit. */
export const SYNC_PAGES_MAX = 400
/** Milliseconds between two repetitions of an unclaimed announcement at most (4.11). */
export const REANNOUNCE_MS_MAX = 60_000
/** Announcements repeated in one go by one witness. */
export const REANNOUNCE_BATCH_MAX = 16
/** Bytes of a webhook body: a push lists at most its branch and commits. */
export const DELIVERY_BYTES_MAX = 1_048_576
/** Seconds that a delivery's timestamp may be off (Standard Webhooks). */
export const DELIVERY_AGE_S_MAX = 300
/** Deliveries kept for de-duplication and display. */
export const DELIVERIES_KEPT_MAX = 10_000
/** Deliveries accepted but not yet recorded on a quorum; above it the hook answers 503. */
export const INTAKE_QUEUE_MAX = 2_000
/** Deliveries worked on side by side; those that fetch are never all of one forge. */
export const INTAKE_PARALLEL_MAX = 4
/** Repositories declared in one gateway.yaml. */
export const REPOSITORIES_MAX = 1_000
/** Milliseconds of the first pause after a failed intake step; it doubles each time. */
export const INTAKE_RETRY_MS_MIN = 500
/** Milliseconds of the longest pause between two tries of one intake step. */
export const INTAKE_RETRY_MS_MAX = 30_000
/** Milliseconds that a commit is asked for before its run is errored: a forge's restart fits. */
export const INTAKE_FETCH_MS_MAX = 600_000
/** Milliseconds that a delivery waits for its repository to be declared again, as it was. */
export const REPOSITORY_ABSENT_MS_MAX = 600_000
/** Milliseconds of one fetch of a commit by the gateway; the next try is a new fetch. */
export const COMMIT_FETCH_MS_MAX = 120_000
/** Milliseconds that one run may take a place of the intake while no quorum of its own answers. */
export const INTAKE_RECORD_MS_MAX = 15_000
/** Fetches into one repository's cache before it starts anew: every fetch adds a pack and a ref. */
export const CACHE_FETCHES_MAX = 500
/** Bytes of one repository's cache before it starts anew. */
export const CACHE_BYTES_MAX = 2_147_483_648
/** Milliseconds within which one HTTP request must have arrived whole. */
export const HTTP_REQUEST_MS_MAX = 10_000
/** Milliseconds that a connection may be silent, between requests or while an answer is taken. */
export const HTTP_IDLE_MS_MAX = 60_000
/** Connections that the HTTP listener holds; each one costs memory before it says anything. */
export const HTTP_CONNECTIONS_MAX = 1_000
/** Bytes of one HTTP request's headers. */
export const HTTP_HEADER_BYTES_MAX = 16_384
/** HTTP requests of one address in a minute, deliveries aside: a proxy is one address. */
export const HTTP_REQUESTS_PER_MINUTE_MAX = 6_000
/** Refused tokens, signatures and unknown repositories of one address in a minute. */
export const AUTH_FAILURES_PER_MINUTE_MAX = 60
/** Seconds after which a sender that got 503 may try again. */
export const RETRY_AFTER_S = 5
/** Tokens of one gateway: each request is compared with all of them. */
export const TOKENS_MAX = 100
/** Milliseconds that a command waits for another that changes the same file: one takes a few. */
export const FILE_LOCK_MS_MAX = 5_000
/** Holders of jobs that the log service remembers; a forgotten one costs a read of the register. */
export const LOG_HOLDERS_MAX = 4_096
/** Log lines in one page of the log stream or the API. */
export const LOG_PAGE_LINES_MAX = 1_000
/** Milliseconds that a gateway keeps the logs of ended runs: 30 days. */
export const LOGS_KEPT_MS = 2_592_000_000
/** Bytes of all logs that a gateway keeps; the oldest ended runs go first. */
export const LOGS_BYTES_MAX = 21_474_836_480
/** Milliseconds between two looks for logs that may go. */
export const LOGS_SWEEP_EVERY_MS = 3_600_000
/** Milliseconds that an agent keeps logs which the gateway has: 7 days. */
export const SPOOL_KEPT_MS = 604_800_000
/** Bytes of all logs of an agent; the oldest that the gateway has go first. */
export const SPOOL_BYTES_MAX = 4_294_967_296
/** Bytes above which logs go that no gateway has yet: better no log than no disk. */
export const SPOOL_BYTES_HARD_MAX = 8_589_934_592
/** Milliseconds between two looks of an agent: a few short jobs fill a gigabyte meanwhile. */
export const SPOOL_SWEEP_EVERY_MS = 60_000
/** Milliseconds of one log request to another member: it ends on that member's disk. */
export const LOG_REQUEST_MS_MAX = 10_000
/** Milliseconds that a daemon may take to finish what is in flight before it stops anyway. */
export const SHUTDOWN_MS_MAX = 10_000
/** Milliseconds that a process may outlive its daemon: what hangs must not keep it. */
export const PROCESS_END_MS_MAX = 2_000
/** Bytes of a Unix socket's path: Linux keeps 108 for it with the zero at its end. */
export const SOCKET_PATH_BYTES_MAX = 107
/** Bytes of one log line; a longer one is cut and marked. */
export const LOG_LINE_BYTES_MAX = 16_384
/** Bytes of one log chunk; it is sent at the latest after LOG_CHUNK_MS. */
export const LOG_CHUNK_BYTES_MAX = 32_768
/** Lines of one log chunk: empty lines cost no text, but each costs its number. */
export const LOG_CHUNK_LINES_MAX = 1_024
/** Milliseconds that a line waits for company before it is sent. */
export const LOG_CHUNK_MS_MAX = 100
/** Bytes of one attempt's log as it lies on the disk; what comes after is counted, not kept. */
export const LOG_BYTES_MAX = 67_108_864
/** Bytes of LOG_BYTES_MAX that are kept free for the line that says that the log is cut. */
export const LOG_NOTICE_BYTES_MAX = 512
/** Bytes of log lines that one read returns: a page with its framing must fit FRAME_BYTES_MAX. */
export const LOG_PAGE_BYTES_MAX = 1_048_576
/** Jobs whose log is open at one time: half of the file handles that a process usually may have. */
export const LOGS_OPEN_MAX = 256
/** Bytes of a daemon's own log that wait for its reader: minutes of it; above, lines are lost. */
export const LOG_OUTPUT_BYTES_MAX = 1_048_576
/** Bytes of an outcome's or error's message. */
export const MESSAGE_BYTES_MAX = 4_096
/** Milliseconds for fetching one commit. */
export const CHECKOUT_MS_MAX = 600_000
/** Bytes that a checkout may take on the agent's disk. */
export const CHECKOUT_BYTES_MAX = 4_294_967_296
/**
 * Bytes of address space of one git process: two blobs of 512 MiB, the largest that servers send as
 * a delta of one another, and as much again to work in.
 */
export const GIT_MEMORY_BYTES_MAX = 1_610_612_736
/** Milliseconds for getting an image. */
export const IMAGE_PULL_MS_MAX = 900_000
/** Milliseconds for one engine call that should be quick. */
export const ENGINE_CALL_MS_MAX = 60_000
/** Milliseconds that a job's processes have between SIGTERM and SIGKILL. */
export const TERM_GRACE_MS = 5_000
/**
 * Milliseconds in which a sandbox must be confirmed gone before that is given up as SANDBOX_FAILED.
 */
export const CLEAN_UP_MS_MAX = 120_000
/** Files of one checkout: a tree that names one folder many times over must not fill the host. */
export const CHECKOUT_FILES_MAX = 500_000
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
/** Connections that one peer may hold to us: two cross-dialled ones, and their successors. */
export const CONNECTIONS_PER_PEER_MAX = 4
/** Connections of non-members while there is no roster yet: anyone may come, the first one goes. */
export const STRANGERS_MAX = 32
/** Milliseconds that a stranger may stay without a valid roster: two requests to hand one in. */
export const STRANGER_MS_MAX = 12_000
/**
 * Streams of one connection: four request protocols, gossip, ping and identify, with successors.
 */
export const STREAMS_PER_CONNECTION_MAX = 64
/** Request streams of one protocol on one connection: one in use, others while it is replaced. */
export const REQUEST_STREAMS_MAX = 4
/** Bytes of requests of one peer and protocol that are being served at a time. */
export const REQUEST_BYTES_IN_FLIGHT_MAX = 16_777_216
/** Requests given up whose answers may still come; a peer that owes more gets a new stream. */
export const REQUESTS_ABANDONED_MAX = 1_024
/** Dials side by side: handshakes of a whole mesh at once would all be too late on a busy host. */
export const DIALS_PARALLEL_MAX = 8
/** Milliseconds of one dial, handshake included: a host that builds is slow to answer. */
export const DIAL_MS_MAX = 10_000
/** Milliseconds that the higher of two peer ids leaves the dial to the lower one. */
export const DIAL_YIELD_MS = 1_000
/** Milliseconds within which a link that ends after its dial counts as a dial that failed. */
export const DIAL_REFUSED_MS = 2_000
/** Milliseconds before the second dial of a member; it doubles each time. */
export const DIAL_BACKOFF_MS_MIN = 250
/** Milliseconds between two dials of a member that stays away. */
export const DIAL_BACKOFF_MS_MAX = 15_000
/** Milliseconds between two dials while the roster is new: the other side may not have it yet. */
export const DIAL_BACKOFF_NEW_ROSTER_MS_MAX = 1_000
/** Milliseconds between two pings of a connection. */
export const PING_EVERY_MS = 10_000
/** Milliseconds that a ping may take: a loaded host answers late and is not gone. */
export const PING_MS_MAX = 5_000
/** Pings in a row without an answer after which a connection is cut: about 30 s of silence. */
export const PINGS_MISSED_MAX = 3
/** Milliseconds of one request of the roster exchange. */
export const ROSTER_REQUEST_MS_MAX = 5_000
/** Milliseconds between two tries to bring a member its newer roster. */
export const ROSTER_RETRY_MS = 1_000
/** Roster hints a second that one publisher may cause exchanges with; new rosters are rare. */
export const ROSTER_HINTS_PER_S_MAX = 1
/** Roster hints of one publisher at once after a pause: hosts that are admitted in a row. */
export const ROSTER_HINTS_BURST = 16
/** Milliseconds before a hint may end an exchange that is under way and start it anew. */
export const ROSTER_ERRAND_MS_MIN = 1_000
/** Rosters that one peer may hand in per ROSTER_OFFERS_WINDOW_MS: each costs a signature check. */
export const ROSTER_OFFERS_MAX = 8
/** Rosters that all strangers together may hand in per ROSTER_OFFERS_WINDOW_MS. */
export const ROSTER_OFFERS_STRANGERS_MAX = 32
/** Milliseconds over which handed-in rosters are counted. */
export const ROSTER_OFFERS_WINDOW_MS = 10_000
/** Milliseconds that an announcement may wait to be claimed (lease-protocol 4.10). */
export const ANNOUNCEMENT_VALID_MS = 86_400_000
/** Processes of one agent whose advertisement counters are remembered: a restart or three. */
export const AGENT_BOOTS_MAX = 4
/** Rank up to which each claimer has a step of its own: eight clear any contention (4.7). */
export const CLAIM_RANK_MAX = 8
/** How many times a job's size counts as free room in an agent's weight; more adds nothing. */
export const PLACEMENT_ROOM_MAX = 64
/** Queued jobs looked at to say how many are ahead of one: a page of jobs must stay quick. */
export const QUEUE_AHEAD_MAX = 1_000
/** Characters of a run id's prefix at least (decision 18). */
export const SHORT_ID_CHARACTERS_MIN = 6
/** Candidates named when a short id fits several jobs. */
export const FIND_CANDIDATES_MAX = 20
/** Problems of one pipeline file that are listed: more help no one. */
export const PIPELINE_PROBLEMS_MAX = 50
/** Depth of a pipeline file: the deepest valid path has 6; a parser's stack must not be at risk. */
export const PIPELINE_DEPTH_MAX = 32
/** Lexical tokens of one pipeline file: real ones have a fifth; broken ones cost most per token. */
export const PIPELINE_TOKENS_MAX = 65_536
/**
 * Bytes of a pipeline's jobs, shared parts written out: the rest of MANIFEST_BYTES_MAX is spare.
 */
export const PIPELINE_JOBS_BYTES_MAX = 786_432
/** Characters of a foreign text that a problem quotes. */
export const QUOTED_CHARACTERS_MAX = 60
/** Patterns of one list of a pipeline file. */
export const BRANCH_GLOBS_MAX = 64
/** Characters of one pattern. */
export const GLOB_CHARACTERS_MAX = 256
/** Thousandths of a core that a job may ask for: more than any host has. */
export const CPU_MILLI_MAX = 1_024_000
/** Thousandths of a core that a job asks for at least; the engine's smallest useful share. */
export const CPU_MILLI_MIN = 100
/** Thousandths of a core that a job gets when nothing else is said. */
export const CPU_MILLI_DEFAULT = 1_000
/** Bytes of memory that a job may ask for: more than any host has. */
export const MEMORY_BYTES_MAX = 17_592_186_044_416
/** Bytes of memory that a job asks for at least: the engine refuses less than 6 MiB. */
export const MEMORY_BYTES_MIN = 6_291_456
/** Bytes of memory that a job gets when nothing else is said. */
export const MEMORY_BYTES_DEFAULT = 2_147_483_648
/**
 * Milliseconds that a log is still pushed to a gateway that does not answer; readers ask us after.
 */
export const FEED_MS_MAX = 3_600_000
/** Logs pushed side by side: those of running jobs, and of ended ones that the gateway lacks. */
export const FEEDS_MAX = 256

export * from './claim-limits.ts'
export * from './disk-limits.ts'
export * from './lifeline-limits.ts'
export * from './recovery-limits.ts'
export * from './retention-limits.ts'
