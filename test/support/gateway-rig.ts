import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ForgeName } from '../../gateway/hooks/forge-hook.ts'
import { FORGE_HOOKS } from '../../gateway/hooks/forge-hooks.ts'
import type {
  Announcer,
  Approval,
  Change,
  CommitContent,
  CommitReader,
  ForgeFacts,
  PullRequestFacts,
  Recorder,
  RepositoryRef
} from '../../gateway/ports.ts'
import { Repositories, type Repository } from '../../gateway/repositories.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import { matchesGlob } from '../../protocol/core/glob.ts'
import type { SealedAnnouncement } from '../../protocol/core/run.ts'
import { type MeshStore, openStore } from '../../protocol/store/mesh-store.ts'
import { openAnnouncement, sealTogether } from '../../protocol/wire/announcement.ts'
import { generateKey, type MeshKey } from '../../protocol/wire/keys.ts'
import { decodeRecord, encodeRecord } from '../../protocol/wire/record-codec.ts'
import { HMAC_VECTOR } from './forge-delivery.ts'
import { VECTOR } from './standard-webhook.ts'

/** A folder of its own under the system's temporary one, and the call that removes it. */
export async function temporaryFolder(): Promise<{ dir: string; remove: () => Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'runner-mesh-gateway-'))
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) }
}

/** A real store, as a gateway opens it. */
export function openGatewayStore(
  dir: string,
  key: MeshKey,
  onFailure: (error: MeshError) => void = () => undefined
): Promise<MeshStore> {
  const codec = { encodeRecord, decodeRecord }
  const common = { dir, peerId: key.peerId, create: true, openedBy: 'gateway', codec }
  return openStore({ ...common, onFailure })
}

export function announcerOf(key: MeshKey = generateKey()): Announcer {
  return {
    gateway: key.peerId,
    seal: (announcement) => sealTogether(key, announcement),
    open: openAnnouncement
  }
}

export function urlOf(name: string, forge = 'forge.example:9418'): string {
  return `git://${forge}/${name}.git`
}

/** A declared bare repository with the secret of the test vector. */
export function repositoryAt(
  name: string,
  url = urlOf(name),
  branches: readonly string[] = ['**']
): Repository {
  return repositoryOf('git', name, { url, branches })
}

/** A declared repository; its secret is the test vector of its forge. */
export function repositoryOf(
  forge: ForgeName,
  name: string,
  parts: {
    readonly url: string
    readonly branches?: readonly string[]
    readonly trusted?: readonly string[]
    readonly tags?: readonly string[]
    readonly approval?: Approval
    readonly secret?: string
  }
): Repository {
  const {
    url,
    branches = ['**'],
    trusted = ['**'],
    tags = ['**'],
    approval = 'first_time',
    secret = forge === 'git' ? VECTOR.secret : HMAC_VECTOR.secret
  } = parts
  const read = FORGE_HOOKS[forge].secretOf(secret)
  if (read.kind === 'unusable') throw new Error(read.problem)
  return {
    name,
    forge,
    url,
    secret: read.secret,
    selects: (branch) => branches.some((pattern) => matchesGlob(pattern, branch)),
    trusts: (branch) => trusted.some((pattern) => matchesGlob(pattern, branch)),
    trustsTag: (tag) => tags.some((pattern) => matchesGlob(pattern, tag)),
    approval
  }
}

/** `team/kernel` and `team/site` on one forge. */
export function declaredRepositories(branches: readonly string[] = ['**']): Repositories {
  const names = ['team/kernel', 'team/site']
  return new Repositories(names.map((name) => repositoryAt(name, urlOf(name), branches)))
}

export const PIPELINE = [
  'on: { push: { branches: [main, "release/*"] } }',
  'jobs:',
  '  build:',
  '    image: "debian:13"',
  '    steps: [{ run: make }]',
  ''
].join('\n')

export function commitOf(pipeline: string, title = 'a commit'): CommitContent {
  return { title, pipeline: { kind: 'found', bytes: new TextEncoder().encode(pipeline) } }
}

/** Of a reader that is asked for the commits of pushes alone. */
export const PUSHES_ONLY: Pick<CommitReader, 'readBranch' | 'changedPaths'> = {
  readBranch: () => Promise.reject(new Error('a branch was read')),
  changedPaths: () => Promise.reject(new Error('paths were asked for'))
}

/** Commits without a forge; each read takes the next answer, the last one again and again. */
export class ScriptedCommits implements CommitReader {
  reads = 0
  /** Branches whose newest commit was read. */
  readonly branches: string[] = []
  readonly changes: Change[] = []
  paths: readonly string[] | undefined
  answers: readonly (CommitContent | Error)[]

  constructor(...answers: readonly (CommitContent | Error)[]) {
    this.answers = answers
  }

  async readBranch(_repository: RepositoryRef, branch: string): Promise<CommitContent> {
    this.branches.push(branch)
    return await this.read()
  }

  async changedPaths(
    _repository: RepositoryRef,
    change: Change
  ): Promise<readonly string[] | undefined> {
    this.changes.push(change)
    return await Promise.resolve(this.paths)
  }

  async read(): Promise<CommitContent> {
    const answer = this.answers[Math.min(this.reads, this.answers.length - 1)]
    this.reads += 1
    await Promise.resolve()
    if (answer === undefined || answer instanceof Error) throw answer ?? new Error('no answer')
    return answer
  }
}

/** A forge that says what the test says of each pull request. */
export class ScriptedFacts implements ForgeFacts {
  asked = 0
  /** Run before each answer. */
  before: () => Promise<void> = () => Promise.resolve()
  answer: PullRequestFacts | Error

  constructor(answer: PullRequestFacts | Error) {
    this.answer = answer
  }

  async pullRequest(): Promise<PullRequestFacts> {
    this.asked += 1
    await this.before()
    if (this.answer instanceof Error) throw this.answer
    return this.answer
  }
}

/** Pull request 7 of a stranger's fork into main. */
export function factsOf(change: Partial<PullRequestFacts> = {}): PullRequestFacts {
  return {
    number: 7,
    isOpen: true,
    headCommit: 'c'.repeat(40),
    headBranch: 'main',
    isFork: true,
    baseBranch: 'main',
    author: 'mallory',
    isKnownAuthor: false,
    labels: [],
    title: 'Fix the wakeup',
    ...change
  }
}

/**
 * The runs that a quorum has chosen, outside every gateway: the first announcement of a run stays,
 * as the run register does it. Outlives the gateways of a test.
 */
export class RunRegisters implements Recorder {
  readonly chosen = new Map<string, SealedAnnouncement>()
  readonly proposed: SealedAnnouncement[] = []
  readonly published: string[] = []
  epoch: number | undefined = 1
  /** Earlier witness epochs are sealed. */
  beginsFrom = 1
  lost: readonly number[] = []
  reachable = true
  /** Why witnesses refuse what is proposed to them; undefined where they do not. */
  refusal: string | undefined
  /** Tries that found nobody. */
  unreachable = 0

  witnessEpoch(): number | undefined {
    return this.epoch
  }

  isLost(witnessEpoch: number): boolean {
    return this.lost.includes(witnessEpoch)
  }

  async recordRun(sealed: SealedAnnouncement): Promise<SealedAnnouncement> {
    await Promise.resolve()
    if (!this.reachable) {
      this.unreachable += 1
      throw new MeshError('QUORUM_UNREACHABLE', { answered: 1, witnesses: 3, quorum: 2 })
    }
    this.proposed.push(sealed)
    if (this.refusal !== undefined) {
      throw new MeshError('ANNOUNCEMENT_INVALID', { problem: this.refusal })
    }
    const { runId, witnessEpoch } = sealed.announcement
    if (witnessEpoch < this.beginsFrom || this.isLost(witnessEpoch)) {
      throw new MeshError('RUN_SUPERSEDED', { id: runId, witnessEpoch })
    }
    const known = this.chosen.get(runId)
    const isLost = known !== undefined && this.isLost(known.announcement.witnessEpoch)
    const first = isLost ? sealed : (known ?? sealed)
    this.chosen.set(runId, first)
    return first
  }

  async publish(sealed: SealedAnnouncement): Promise<void> {
    await Promise.resolve()
    this.published.push(sealed.announcement.runId)
  }
}
