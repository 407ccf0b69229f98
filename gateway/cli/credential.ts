import { type Command, Option } from 'commander'
import { MeshError } from '../../protocol/core/errors.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { jsonText } from '../../protocol/host/command-text.ts'
import { makeStateFolder } from '../../protocol/host/durable-file.ts'
import { credentialName, loadGatewaySettings, secretsKeyPath } from '../config.ts'
import {
  CREDENTIAL_KINDS,
  type CredentialKind,
  type CredentialRecord,
  CredentialStore,
  type CredentialWanted
} from '../secrets/credential-store.ts'
import { readCredential } from '../secrets/credential-value.ts'
import {
  type CommonOptions,
  type Context,
  common,
  contextOf,
  type Surroundings
} from './command.ts'

interface SetOptions extends CommonOptions {
  readonly kind: CredentialKind
  readonly app?: string
  readonly user?: string
}

export function credentialCommand(program: Command, around: Surroundings): void {
  const credential = program
    .command('credential')
    .description('what this gateway is known by to Git servers')
  setCommand(credential, around)
  listCommand(credential, around)
  removeCommand(credential, around)
}

function setCommand(credential: Command, around: Surroundings): void {
  withSettings(common(credential.command('set')))
    .description(
      'set a credential to what standard input holds; a running gateway takes it at once'
    )
    .argument('<name>', 'as `credential` of a repository in gateway.yaml names it')
    .addOption(new Option('--kind <kind>', 'what it is').choices(CREDENTIAL_KINDS).default('token'))
    .option('--app <id>', 'id or client id of the GitHub App; with --kind github-app')
    .option('--user <name>', 'whom git names with the token (default: what the forge expects)')
    .action(async (name: string, options: SetOptions) => {
      const context = contextOf(options, around)
      const wanted = { name, kind: options.kind, app: options.app, user: options.user }
      refuseOdd(wanted)
      const store = await opened(context, options)
      const value = await readCredential(around.stdin, name, options.kind)
      try {
        await makeStateFolder(context.paths.state)
        const { version } = await store.set(wanted, value, systemClock().wallMs())
        context.err(`credential ${name} set, version ${version}\n`)
      } finally {
        value.fill(0)
      }
    })
}

function listCommand(credential: Command, around: Surroundings): void {
  withSettings(common(credential.command('list')))
    .description('show names and kinds; values are never shown')
    .option('--json', 'one JSON document, schema gateway.credentials/1')
    .action(async (options: CommonOptions) => {
      const context = contextOf(options, around)
      const records = await (await opened(context, options)).list()
      if (context.json) {
        const credentials = records.map(({ sealed: _sealed, ...shown }) => shown)
        return context.out(jsonText({ schema: 'gateway.credentials/1', credentials }))
      }
      for (const record of records) context.out(`${shownOf(record)}\n`)
    })
}

function removeCommand(credential: Command, around: Surroundings): void {
  withSettings(common(credential.command('remove')))
    .description('forget a credential; a running gateway uses it no more')
    .argument('<name>', 'as `gateway credential list` shows it')
    .action(async (name: string, options: CommonOptions) => {
      const context = contextOf(options, around)
      await (await opened(context, options)).remove(name)
      context.err(`credential ${name} removed\n`)
    })
}

function withSettings(command: Command): Command {
  return command.option(
    '--config <file>',
    'settings (default: gateway.yaml of the system or state folder)'
  )
}

async function opened({ paths, env }: Context, options: CommonOptions): Promise<CredentialStore> {
  const fileRequired = options.config !== undefined
  const loaded = await loadGatewaySettings({ file: paths.config, fileRequired, flags: {}, env })
  const keyFile = secretsKeyPath(paths, loaded.values)
  return new CredentialStore({ file: paths.credentials, keyFile, secrets: paths.secrets })
}

function shownOf({ name, kind, version, changedAt, app, user }: CredentialRecord): string {
  const more = [
    ...(app === undefined ? [] : [`app ${app}`]),
    ...(user === undefined ? [] : [`user ${user}`])
  ]
  return [name, kind, `v${version}`, changedAt, ...more].join('   ')
}

/** Throws USAGE. */
function refuseOdd({ name, kind, app, user }: CredentialWanted): void {
  const usage = (problem: string): MeshError => new MeshError('USAGE', { problem })
  const named = credentialName.safeParse(name)
  if (!named.success) throw usage(`${name}: ${named.error.issues[0]?.message}`)
  if ((kind === 'github-app') !== (app !== undefined)) {
    throw usage('--app is for --kind github-app, which needs it')
  }
  if (app !== undefined && !/^[\w.-]{1,64}$/.test(app)) throw usage(`${app} is no id of an App`)
  if (user === undefined) return
  if (kind !== 'token') throw usage('--user is for --kind token')
  // It is said in HTTP's own spelling, where a colon ends it.
  if (!/^[\x21-\x39\x3b-\x7e]{1,128}$/.test(user)) throw usage(`${user} is no user of a forge`)
}
