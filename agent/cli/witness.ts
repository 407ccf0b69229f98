import type { Command } from 'commander'
import { MeshError } from '../../protocol/core/errors.ts'
import { jsonText } from '../../protocol/host/command-text.ts'
import { harmless } from '../../protocol/host/harmless.ts'
import { readPid } from '../../protocol/host/pid-lock.ts'
import { whileLocked } from '../admission.ts'
import { type AdmitRequest, type ResetView, resetSchema } from '../control/contract.ts'
import { type ResetResult, resetWitness } from '../witness-reset.ts'
import {
  type CommonOptions,
  type Context,
  common,
  contextOf,
  type Surroundings
} from './command.ts'

interface ResetOptions extends CommonOptions {
  readonly yes?: boolean
}

const LOST =
  'this witness counts as dead for all jobs that were open; with one witness a run those are lost\n'

export function witnessCommand(program: Command, around: Surroundings): void {
  const witness = program.command('witness').description('what this host keeps for others')
  common(witness.command('reset'))
    .description(
      'give this host a new store where the old one lost data; the old one is kept aside'
    )
    .option('--yes', 'also where nothing is wrong with the store')
    .option('--json', 'one document, schema agent.witness-reset/1')
    .action(async (options: ResetOptions) => {
      const context = contextOf(options, around)
      await refuseBesideDaemon(context)
      const sure = options.yes === true
      const result = await whileLocked(context.clock, () => resetWitness(context, { sure }))
      const view = viewOf(result)
      if (context.json) {
        context.console.out(jsonText(view))
        return
      }
      context.console.err(sentences(harmless(view)))
      context.console.out(`${view.id}\n`)
    })
}

async function refuseBesideDaemon({ client, paths }: Context): Promise<void> {
  if (!(await client.answers())) return
  throw new MeshError('STATE_LOCKED', { state: paths.state, pid: await readPid(paths.pid) })
}

function viewOf({ peerId, storeId, aside, admission, rosterVersion }: ResetResult): ResetView {
  const isOpen = admission !== undefined && rosterVersion === undefined
  return resetSchema.parse({
    schema: 'agent.witness-reset/1',
    id: `${peerId}/${storeId}`,
    aside: aside ?? null,
    rosterVersion: rosterVersion ?? null,
    admit: isOpen ? commandOf(admission) : null
  })
}

function sentences({ aside, rosterVersion, admit }: ResetView): string {
  const kept = aside === null ? '' : `the old store is kept as ${aside}\n`
  if (admit !== null) {
    return `${kept}${LOST}run this where the authority’s key is:\n\n  ${admit}\n\n`
  }
  if (rosterVersion === null) return `${kept}this host is no witness: no roster names its store\n`
  return `${kept}${LOST}roster ${rosterVersion} is signed and goes out when this agent starts\n`
}

/** The command for the host that may sign; every word as a shell takes it. */
function commandOf({ id, name, roles, addresses, zone }: AdmitRequest): string {
  const options = [
    ...['--name', name],
    ...roles.flatMap((role) => ['--role', role]),
    ...addresses.flatMap((address) => ['--address', address]),
    ...['--witness', '--zone', zone]
  ]
  return ['agent', 'admit', id, ...options].map(quoted).join(' ')
}

function quoted(word: string): string {
  return /^[\w./:@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
