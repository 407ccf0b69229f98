import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { MeshError } from '../../protocol/core/errors.ts'
import { jsonText, several } from '../../protocol/host/command-text.ts'
import { readPid } from '../../protocol/host/pid-lock.ts'
import { writeSecretFile } from '../../protocol/host/secret-file.ts'
import { loadGatewaySettings, type RepositorySettings, repositorySchema } from '../config.ts'
import { addRepository } from '../config-edit.ts'
import { FORGES, type ForgeName, hookPath } from '../hooks/forge-hook.ts'
import { FORGE_HOOKS } from '../hooks/forge-hooks.ts'
import { loadRepository } from '../repositories.ts'
import {
  type CommonOptions,
  type Context,
  common,
  contextOf,
  type Surroundings
} from './command.ts'

interface AddOptions extends CommonOptions {
  readonly forge: ForgeName
  readonly url: string
  readonly secretFile: string
  readonly branch?: readonly string[]
}

export function repoCommand(program: Command, around: Surroundings): void {
  const repo = program.command('repo').description('repositories whose pushes start runs')
  addCommand(repo, around)
  listCommand(repo, around)
}

function addCommand(repo: Command, around: Surroundings): void {
  common(repo.command('add'))
    .description('declare a repository in gateway.yaml; its comments stay')
    .argument('<name>', 'as its hook or forge says it, team/kernel')
    .addOption(
      new Option(
        '--forge <forge>',
        'Git server that sends its pushes; git is bare Git with our hook'
      )
        .choices(FORGES)
        .default('git')
    )
    .requiredOption('--url <url>', 'where gateway and agents fetch it: https, http, ssh or git')
    .requiredOption('--secret-file <file>', 'hook secret, mode 0600; made where there is none')
    .option('--branch <pattern>', 'branch that starts runs, release/*; may be repeated', several)
    .option('--config <file>', 'settings (default: gateway.yaml of the system or state folder)')
    .action(async (name: string, options: AddOptions) => {
      const context = contextOf(options, around)
      const entry = entryOf(name, options)
      const { config } = context.paths
      const made = await declare(config, entry)
      if (made) context.err(`made the secret ${entry.secret_file}: give a copy to the hook\n`)
      context.err(`${name} declared in ${config}: its hook posts to ${hookPath(entry.forge)}\n`)
      await tellReload(context)
    })
}

/** Throws USAGE, naming the option. */
function entryOf(name: string, options: AddOptions): RepositorySettings {
  const { forge, url, branch } = options
  // Absolute, since a path in the file is meant from the file's folder and not from here.
  const entry = { name, forge, url, secret_file: resolve(options.secretFile), branches: branch }
  const result = repositorySchema.safeParse(entry)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new MeshError('USAGE', {
    problem: `${issue?.path.map(String).join('.')}: ${issue?.message}`
  })
}

/** True where its secret was made for it; without the entry such a secret would be nobody's. */
async function declare(config: string, entry: RepositorySettings): Promise<boolean> {
  let made = false
  await addRepository(config, entry, async (write) => {
    made = await makeSecret(entry.secret_file, entry.forge)
    try {
      await loadRepository(entry, config)
      await write()
    } catch (error) {
      if (made) await rm(entry.secret_file, { force: true })
      throw error
    }
  })
  return made
}

async function makeSecret(file: string, forge: ForgeName): Promise<boolean> {
  try {
    await writeSecretFile(file, FORGE_HOOKS[forge].newSecret())
    return true
  } catch (error) {
    if (error instanceof MeshError && error.code === 'STATE_EXISTS') return false
    throw error
  }
}

async function tellReload({ paths, err }: Context): Promise<void> {
  const pid = await readPid(paths.pid)
  // Only said: a pid file may outlive its process, and the number may be somebody else's by now.
  if (pid !== 'unknown') err(`a running gateway takes it with: kill -HUP ${pid}\n`)
}

function listCommand(repo: Command, around: Surroundings): void {
  common(repo.command('list'))
    .description('show the declared repositories')
    .option('--config <file>', 'settings (default: gateway.yaml of the system or state folder)')
    .option('--json', 'one JSON document, schema gateway.repositories/1')
    .action(async (options: CommonOptions) => {
      const { paths, env, out, json } = contextOf(options, around)
      const fileRequired = options.config !== undefined
      const loaded = await loadGatewaySettings({ file: paths.config, fileRequired, flags: {}, env })
      const { repositories } = loaded.values
      if (json) return out(jsonText({ schema: 'gateway.repositories/1', repositories }))
      for (const { name, forge, url, branches } of repositories) {
        out(`${name}   ${forge}   ${url}   ${branches.join(',')}\n`)
      }
    })
}
