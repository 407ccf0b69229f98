/*
 * Limits of what a gateway asks of Git servers and tells them; docs/limits.md lists them with those
 * of limits.ts.
 */

/** Bytes of one answer of a forge's API: a page of 100 merge requests has 300 KiB. */
export const FORGE_BODY_BYTES_MAX = 4_194_304
/** Milliseconds of one request to a forge's API, its answer included. */
export const FORGE_REQUEST_MS_MAX = 15_000
/** Redirects that are followed, within one host: a renamed repository is one. */
export const FORGE_REDIRECTS_MAX = 3
/** Characters of what a forge says of a refusal that are kept. */
export const FORGE_CAUSE_CHARACTERS_MAX = 200
/** Pages of one list: 100 pages of 100 are all branches of almost every repository. */
export const FORGE_PAGES_MAX = 100
/** Answers kept to be asked for by their tag (`If-None-Match`): three lists of 1 000 repositories. */
export const FORGE_TAGS_MAX = 4_096
/** Bytes of such an answer that is kept: a longer list is sent again each time. */
export const FORGE_TAGGED_BYTES_MAX = 65_536
/** Milliseconds that a forge may make us wait at most, whatever it says: its hour, and room. */
export const FORGE_LIMITED_MS_MAX = 3_900_000
/** Milliseconds that are waited where a limited forge says no time: what GitHub's rules ask for. */
export const FORGE_LIMITED_MS_DEFAULT = 60_000
/** Bytes of one credential: a private key of 8 192 bits has 6 KiB. */
export const CREDENTIAL_BYTES_MAX = 16_384
/** Credentials of one gateway: one a forge is usual, one a repository possible. */
export const CREDENTIALS_MAX = 1_000
/** Characters of a credential's name. */
export const CREDENTIAL_NAME_CHARACTERS_MAX = 64
/** Seconds before now that a GitHub App says its word was given: clocks differ (GitHub asks 60). */
export const APP_TOKEN_BACKDATED_S = 60
/** Seconds that such a word is good for: GitHub allows 600 from its own clock on. */
export const APP_TOKEN_S = 540
/** Milliseconds before its end at which an installation's token is replaced: a fetch takes some. */
export const APP_TOKEN_MARGIN_MS = 300_000
/** Tokens of installations that are kept: two for each of 1 000 repositories. */
export const APP_TOKENS_MAX = 2_000
/** Milliseconds within which a delivery is on disk or refused: Gitea waits no more than 5 s. */
export const HOOK_ANSWER_MS_MAX = 2_000
/** Milliseconds for which a delivery waits until its forge has said the repository's number. */
export const FORGE_NUMBER_MS_MAX = 1_500
/** Milliseconds between two such questions of one repository: a flood must not reach the API. */
export const FORGE_NUMBER_EVERY_MS = 60_000
/** Characters of a status's description: GitHub takes 140. */
export const STATUS_DESCRIPTION_CHARACTERS_MAX = 140
/** Characters of a status's context: Gitea and GitLab keep 255. */
export const STATUS_CONTEXT_CHARACTERS_MAX = 255
/**
 * Statuses and callbacks kept, sent ones too: they say what need not be sent again. Above it those
 * that are settled go first, oldest first; then unsent ones of jobs that go on; unsent ends last.
 */
export const STATUSES_KEPT_MAX = 20_000
/** Milliseconds after which the end of a run that no forge has heard of is not told any more. */
export const STATUS_UNTOLD_MS_MAX = 604_800_000
/** Requests at once to one forge or callback host: GitHub's second limit is for more. */
export const STATUS_PARALLEL_MAX = 2
/** Milliseconds of the first wait after a status could not be sent; it doubles. */
export const STATUS_RETRY_MS_MIN = 2_000
/** Milliseconds of the longest such wait. */
export const STATUS_RETRY_MS_MAX = 300_000
/** Refusals of one status before it is given up: a commit or a token may not be known yet. */
export const STATUS_REFUSALS_MAX = 3
/** Milliseconds for which the announcing gateway is away before another one reports its runs. */
export const STATUS_STANDIN_MS = 600_000
/** Milliseconds between two looks at which announcing gateways are away. */
export const STATUS_LOOK_EVERY_MS = 60_000
/** Milliseconds between two looks at one repository, where there are few. */
export const RECONCILE_EVERY_MS = 300_000
/** Milliseconds a repository that these looks are apart at least: 1 000 of them take 17 minutes. */
export const RECONCILE_SPREAD_MS = 1_000
/** Share by which the time between two looks differs: gateways that start together part. */
export const RECONCILE_JITTER = 0.2
/** Milliseconds for which a hook may bring what a look has seen: then the look hands it in. */
export const RECONCILE_PATIENCE_MS = 15_000
/** Milliseconds of the first wait for a repository that could not be looked at; it doubles. */
export const RECONCILE_RETRY_MS_MIN = 30_000
/** Milliseconds of the longest wait for a repository that could not be looked at. */
export const RECONCILE_RETRY_MS_MAX = 3_600_000
/** Repositories that are looked at side by side: each is a few requests or one `git`. */
export const RECONCILE_PARALLEL_MAX = 4
/** Milliseconds of one look. */
export const RECONCILE_LOOK_MS_MAX = 120_000
/** Refs and pull requests of one repository that are remembered; a larger one is not compared. */
export const RECONCILE_HEADS_MAX = 10_000
/** Pushes and pull requests that one look hands in: the rest comes with the next one. */
export const RECONCILE_EVENTS_MAX = 200
/** Milliseconds that failed hook deliveries are looked back for: GitHub keeps them for 3 days. */
export const RECONCILE_DELIVERIES_MS_MAX = 259_200_000
/** Times that one failed delivery is asked for again, others' asking included. */
export const RECONCILE_REDELIVERIES_MAX = 3
/** Milliseconds that looks at lost deliveries overlap: a hook may have been switched off in one. */
export const RECONCILE_OVERLAP_MS = 3_600_000
/** Pages of 20 of what a hook of GitLab has sent, by answer: as many rows as GitHub's one. */
export const RECONCILE_EVENT_PAGES_MAX = 5
/** Lost deliveries of a hook of GitLab, the newest, that are asked for: it sends five a minute. */
export const RECONCILE_RESENT_MAX = 20
/** Deliveries of which a process remembers that it has asked for them again. */
export const RECONCILE_ASKED_MAX = 10_000
