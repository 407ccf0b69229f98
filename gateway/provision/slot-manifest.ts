import type { JobSpec, Manifest } from '../../protocol/core/run.ts'
import { RUNNER_FILES, type RunnerForge } from '../forge/runner-api.ts'
import { titleOf } from '../forge/title.ts'
import type { DeclaredRepository } from '../ports.ts'
import { originOf } from '../source-event.ts'
import { entryOf, type Provision, type RunnerEntry } from './provision.ts'
import type { SlotEvent } from './slot-event.ts'

/** Name of a slot's one job, and of its step. */
const NAME = 'runner'

/** Where the images that forges' own projects publish have it. */
const PROGRAMS: Readonly<Record<RunnerForge, string>> = {
  github: '/home/runner/run.sh',
  gitea: 'act_runner',
  forgejo: 'forgejo-runner'
}

/**
 * The run that is one slot; undefined where gateway.yaml has no such label set any more. Whatever
 * job it was started for, a stranger's may be the one that its runner gets: it is never trusted.
 */
export function slotManifest(
  event: SlotEvent,
  repository: DeclaredRepository
): Manifest | undefined {
  const { provision, name, url } = repository
  const entry = provision && entryOf(provision, event.labels)
  if (provision === undefined || entry === undefined) return undefined
  return {
    origin: originOf(event, url),
    repository: name,
    url,
    before: '',
    pusher: '',
    title: titleOf(`runner for ${event.jobName}`),
    trust: 'untrusted',
    jobs: [slotSpec(provision, entry)],
    error: undefined
  }
}

function slotSpec(provision: Provision, entry: RunnerEntry): JobSpec {
  const { forge } = provision
  const { labels, image, resources, platform, hostLabels, network, timeoutMs } = entry
  const { gpu, isolation } = entry
  return {
    index: 0,
    name: NAME,
    image,
    platform,
    emulation: 'forbid',
    resources,
    labels: hostLabels,
    env: {},
    timeoutMs,
    // Again on another host, as long as no job was seen on it: its gateway says so at the release.
    onLoss: 'retry',
    network,
    ...(isolation === undefined ? {} : { isolation }),
    ...(gpu === undefined ? {} : { gpu }),
    secrets: RUNNER_FILES[forge].map(({ name, path }) => ({ name, file: path })),
    steps: [{ name: NAME, run: SCRIPTS[forge](provision, entry), timeoutMs: undefined }],
    runner: { labels }
  }
}

type Script = (provision: Provision, entry: RunnerEntry) => string

/**
 * How each runner gets its configuration: from a file in memory, and never as an argument, which
 * all processes of a host may see. What can be taken away from the job that it runs is.
 */
const SCRIPTS: Readonly<Record<RunnerForge, Script>> = {
  // Its listener takes each option from a variable, and forgets that before a job begins.
  github: (_provision, entry) => {
    const [{ path }] = RUNNER_FILES.github
    const program = quoted(programOf('github', entry))
    return lines(
      `ACTIONS_RUNNER_INPUT_JITCONFIG=$(cat ${path})`,
      'export ACTIONS_RUNNER_INPUT_JITCONFIG',
      `rm -f ${path}`,
      `cd "$(dirname ${program})"`,
      `exec ${program}`
    )
  },
  // It looks for `.runner` where it is started.
  gitea: (_provision, entry) => {
    const [file, token] = RUNNER_FILES.gitea
    return lines(
      'cd /run/secrets',
      `rm -f ${token.path}`,
      `mv ${file.path} .runner`,
      `exec ${quoted(programOf('gitea', entry))} daemon`
    )
  },
  forgejo: ({ url }, entry) => {
    const [uuid, token, handle] = RUNNER_FILES.forgejo.map(({ path }) => path)
    // There is no engine in its box.
    const labels = entry.labels.map((label) => `--label ${quoted(`${label}:host`)}`)
    return lines(
      [
        `exec ${quoted(programOf('forgejo', entry))} one-job --url ${quoted(url)}`,
        `--uuid "$(cat ${uuid})" --token-url file:${token} --handle "$(cat ${handle})"`,
        ...labels,
        '--wait'
      ].join(' ')
    )
  }
}

function programOf(forge: RunnerForge, { program }: RunnerEntry): string {
  return program ?? PROGRAMS[forge]
}

function lines(...all: readonly string[]): string {
  return `${all.join('\n')}\n`
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}
