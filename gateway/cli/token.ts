import { type Command, Option } from 'commander'
import { systemClock } from '../../protocol/host/clock.ts'
import { jsonText } from '../../protocol/host/command-text.ts'
import { makeStateFolder } from '../../protocol/host/durable-file.ts'
import { systemRandom } from '../../protocol/host/random.ts'
import { SCOPES, TokenStore } from '../api/token-store.ts'
import { type CommonOptions, common, contextOf, type Surroundings } from './command.ts'

interface CreateOptions extends CommonOptions {
  readonly scope: string
  readonly name: string
}

export function tokenCommand(program: Command, around: Surroundings): void {
  const token = program.command('token').description('bearer tokens of the API')
  createCommand(token, around)
  listCommand(token, around)
  revokeCommand(token, around)
}

function createCommand(token: Command, around: Surroundings): void {
  common(token.command('create'))
    .description('make a token and print it, once; a running gateway takes it at once')
    .addOption(
      new Option('--scope <scope>', 'what it is good for').choices(SCOPES).makeOptionMandatory()
    )
    .option('--name <name>', 'who it is for', '')
    .option('--json', 'one JSON document, schema gateway.token/1')
    .action(async (options: CreateOptions) => {
      const { paths, out, err, json } = contextOf(options, around)
      await makeStateFolder(paths.state)
      const parts = { clock: systemClock(), random: systemRandom() }
      const wanted = { name: options.name, scopes: scopesOf(options.scope) }
      const made = await new TokenStore(paths.tokens).create(parts, wanted)
      const { id, name, scopes } = made.record
      if (json) {
        out(jsonText({ schema: 'gateway.token/1', id, name, scopes, token: made.token }))
      } else {
        err(`token ${id}: shown this once, kept only as a hash\n`)
        out(`${made.token}\n`)
      }
    })
}

/** Who may order may look too: nobody orders blindly. */
function scopesOf(scope: string): readonly string[] {
  const at = (SCOPES as readonly string[]).indexOf(scope)
  return SCOPES.slice(0, at + 1)
}

function listCommand(token: Command, around: Surroundings): void {
  common(token.command('list'))
    .description('show the tokens that are good')
    .option('--json', 'one JSON document, schema gateway.tokens/1')
    .action(async (options: CommonOptions) => {
      const { paths, out, json } = contextOf(options, around)
      const records = await new TokenStore(paths.tokens).list()
      if (json) {
        const tokens = records.map(({ sha256: _hash, ...shown }) => shown)
        return out(jsonText({ schema: 'gateway.tokens/1', tokens }))
      }
      for (const { id, scopes, createdAt, name } of records) {
        out(`${id}   ${scopes.join(',')}   ${createdAt}   ${name || '-'}\n`)
      }
    })
}

function revokeCommand(token: Command, around: Surroundings): void {
  common(token.command('revoke'))
    .description('end a token; a running gateway refuses it at once')
    .argument('<id>', 'as `gateway token list` shows it')
    .action(async (id: string, options: CommonOptions) => {
      const { paths, err } = contextOf(options, around)
      await new TokenStore(paths.tokens).revoke(id)
      err(`token ${id} revoked\n`)
    })
}
