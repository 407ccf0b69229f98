import { type Command, Option } from 'commander'
import { MeshError } from '../../protocol/core/errors.ts'
import { ISOLATION_LEVELS, type IsolationLevel } from '../../protocol/core/isolation.ts'
import { canonicalRegistry, loginBytes } from '../../protocol/core/registry-login.ts'
import {
  REGISTRY_USER_CHARACTERS_MAX,
  SECRET_RULES_MAX
} from '../../protocol/core/secret-limits.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { jsonText, several } from '../../protocol/host/command-text.ts'
import { makeStateFolder } from '../../protocol/host/durable-file.ts'
import { globProblem } from '../../protocol/pipeline/glob.ts'
import { secretNameProblem, secretRegistryProblem } from '../../protocol/pipeline/secrets.ts'
import { loadGatewaySettings, secretsKeyPath } from '../config.ts'
import { DEFAULT_EVENTS, KNOWN_EVENTS, type SecretRules } from '../secrets/secret-rules.ts'
import { type SecretRecord, SecretStore } from '../secrets/secret-store.ts'
import { readSecretValue } from '../secrets/secret-value.ts'
import {
  type CommonOptions,
  type Context,
  common,
  contextOf,
  type Surroundings
} from './command.ts'

interface PlaceOptions extends CommonOptions {
  readonly repo: string
}

interface SetOptions extends PlaceOptions {
  readonly registry?: string
  readonly user?: string
  readonly event?: readonly string[]
  readonly isolation?: IsolationLevel
  readonly branch?: readonly string[]
  readonly image?: readonly string[]
}

export function secretCommand(program: Command, around: Surroundings): void {
  const secret = program.command('secret').description('secrets that jobs of a repository may have')
  setCommand(secret, around)
  listCommand(secret, around)
  removeCommand(secret, around)
}

function setCommand(secret: Command, around: Surroundings): void {
  withSettings(common(secret.command('set')))
    .description('set a secret to what standard input holds; a running gateway takes it at once')
    .argument('<name>', 'as jobs name it, NPM_TOKEN')
    .requiredOption('--repo <name>', 'repository whose jobs may have it')
    .option('--registry <host>', 'the value is a password of this registry, for pulling images')
    .option('--user <name>', 'its user; with --registry')
    .option('--event <names>', 'events whose runs may have it (default: push)', words)
    .option('--branch <pattern>', 'branch whose runs may have it; may be repeated', several)
    .option('--image <pattern>', 'image whose jobs may have it; may be repeated', several)
    .addOption(isolationOption())
    .action(async (name: string, options: SetOptions) => {
      const context = contextOf(options, around)
      refuse(name, secretNameProblem(name))
      const rules = rulesOf(options)
      const login = loginOf(options)
      const { store, repositories } = await opened(context, options)
      const { repo: repository } = options
      if (!repositories.includes(repository)) {
        refuse(repository, 'is no declared repository: see `gateway repo list`')
      }
      const value = await readSecretValue(around.stdin, name)
      await makeStateFolder(context.paths.state)
      const sealed = login === undefined ? value : loginBytes(login.user, value)
      const place = { repository, name, registry: login?.registry }
      try {
        const { version } = await store.set(systemClock(), place, rules, sealed)
        context.err(`secret ${name} of ${repository} set, version ${version}\n`)
      } finally {
        value.fill(0)
        sealed.fill(0)
      }
    })
}

function listCommand(secret: Command, around: Surroundings): void {
  withSettings(common(secret.command('list')))
    .description('show names and rules; values are never shown')
    .option('--json', 'one JSON document, schema gateway.secrets/1')
    .action(async (options: CommonOptions) => {
      const context = contextOf(options, around)
      const { store } = await opened(context, options)
      const records = await store.list()
      if (context.json) {
        const secrets = records.map(({ sealed: _sealed, retired: _retired, ...shown }) => shown)
        return context.out(jsonText({ schema: 'gateway.secrets/1', secrets }))
      }
      for (const record of records) context.out(`${shownOf(record)}\n`)
    })
}

function removeCommand(secret: Command, around: Surroundings): void {
  withSettings(common(secret.command('remove')))
    .description('forget a secret; a running gateway releases it no more')
    .argument('<name>', 'as `gateway secret list` shows it')
    .requiredOption('--repo <name>', 'its repository')
    .action(async (name: string, options: PlaceOptions) => {
      const context = contextOf(options, around)
      const { store } = await opened(context, options)
      await store.remove({ repository: options.repo, name })
      context.err(`secret ${name} of ${options.repo} removed\n`)
    })
}

function withSettings(command: Command): Command {
  return command.option(
    '--config <file>',
    'settings (default: gateway.yaml of the system or state folder)'
  )
}

async function opened({ paths, env }: Context, options: CommonOptions) {
  const fileRequired = options.config !== undefined
  const loaded = await loadGatewaySettings({ file: paths.config, fileRequired, flags: {}, env })
  const keyFile = secretsKeyPath(paths, loaded.values)
  const repositories = loaded.values.repositories.map(({ name }) => name)
  return { store: new SecretStore({ file: paths.secrets, keyFile }), repositories }
}

function shownOf(record: SecretRecord): string {
  const { repository, name, version, changedAt, registry } = record
  const rules = [
    record.events.join(','),
    record.branches.join(',') || 'all branches',
    record.images.join(',') || 'all images',
    ...(record.isolation === undefined ? [] : [`isolation ${record.isolation}`]),
    ...(registry === undefined ? [] : [`login of ${registry}`])
  ]
  return [repository, name, `v${version}`, changedAt, ...rules].join('   ')
}

/** Throws USAGE. */
function loginOf({ registry, user }: SetOptions) {
  if (registry === undefined && user === undefined) return undefined
  if (registry === undefined) throw new MeshError('USAGE', { problem: '--user needs --registry' })
  if (user === undefined) throw new MeshError('USAGE', { problem: '--registry needs --user' })
  refuse(registry, secretRegistryProblem(registry))
  // Of what stands before the colon in HTTP's own spelling.
  const isUser = /^[\x21-\x39\x3b-\x7e]+$/.test(user) && user.length <= REGISTRY_USER_CHARACTERS_MAX
  refuse(user, isUser ? undefined : 'is no user of a registry: it has no spaces and no colon')
  return { registry: canonicalRegistry(registry), user }
}

/** Throws USAGE. */
function eventsOf({ event = DEFAULT_EVENTS }: SetOptions): readonly string[] {
  for (const each of event) {
    const known = KNOWN_EVENTS.join(', ')
    refuse(each, KNOWN_EVENTS.includes(each) ? undefined : `is no event: there are ${known}`)
  }
  return [...new Set(event)]
}

function isolationOption(): Option {
  const what = 'the least that must keep the job apart from its host'
  return new Option('--isolation <level>', what).choices(ISOLATION_LEVELS.slice(1))
}

function words(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, ...text.split(',').map((word) => word.trim())]
}

/** Throws USAGE. */
function rulesOf(options: SetOptions): SecretRules {
  const { branch = [], image = [] } = options
  for (const pattern of branch) refuse(pattern, globProblem(pattern))
  if (branch.length > SECRET_RULES_MAX || image.length > SECRET_RULES_MAX) {
    refuse('the rule', `has too many patterns: at most ${SECRET_RULES_MAX} are allowed`)
  }
  for (const pattern of image) {
    const isReference = /^[A-Za-z0-9*][\w.*/:@+-]*$/.test(pattern)
    refuse(pattern, isReference ? undefined : 'is no image pattern: write ghcr.io/team/*')
  }
  const { isolation } = options
  return { events: eventsOf(options), branches: branch, images: image, isolation }
}

function refuse(what: string, problem: string | undefined): void {
  if (problem !== undefined) throw new MeshError('USAGE', { problem: `${what} ${problem}` })
}
