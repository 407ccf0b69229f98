import type { Command } from 'commander'
import { jsonText } from '../../protocol/host/command-text.ts'
import { SilentExit } from '../../protocol/host/exit.ts'
import { harmless } from '../../protocol/host/harmless.ts'
import { pause } from '../../protocol/mesh/bounds/pause.ts'
import { type OrdersView, ordersSchema } from '../control/contract.ts'
import {
  type CommonOptions,
  type Context,
  common,
  contextOf,
  type Surroundings
} from './command.ts'

/** Milliseconds between two looks at what is still held. */
const LOOK_MS = 500

export function drainCommand(program: Command, around: Surroundings): void {
  common(program.command('drain'))
    .description('finish what runs, claim nothing new, until `agent resume` or a restart')
    .option('--wait', 'until nothing is held any more')
    .option('--json', 'one document, schema agent.orders/1')
    .action(async (options: CommonOptions & { readonly wait?: boolean }) => {
      const context = contextOf(options, around)
      const { client, console, json } = context
      const ordered = await client.post('/v1/drain', {}, ordersSchema)
      const orders = options.wait === true ? await drained(context, ordered) : ordered
      if (json) console.out(jsonText(orders))
      else console.out(`${sentence(orders)}\n`)
      // Somebody has taken the order back meanwhile.
      if (orders.state !== 'draining') throw new SilentExit(1)
    })
}

export function resumeCommand(program: Command, around: Surroundings): void {
  common(program.command('resume'))
    .description('take `agent drain` back: claim jobs again')
    .option('--json', 'one document, schema agent.orders/1')
    .action(async (options: CommonOptions) => {
      const { client, console, json } = contextOf(options, around)
      const orders = await client.post('/v1/resume', {}, ordersSchema)
      console.out(json ? jsonText(orders) : `${sentence(orders)}\n`)
    })
}

async function drained({ client, clock, console, json }: Context, first: OrdersView) {
  let orders = first
  let said = ''
  while (orders.state === 'draining' && !orders.drained) {
    const text = sentence(orders)
    if (text !== said && !json) console.err(`${text}\n`)
    said = text
    await pause(clock, LOOK_MS, new AbortController().signal)
    orders = await client.get('/v1/orders', ordersSchema)
  }
  return orders
}

function sentence({ state, jobs, drained }: OrdersView): string {
  if (drained) return 'drained: nothing is held, nothing is claimed until `agent resume`'
  const held = jobs.length === 0 ? 'nothing held' : `held: ${harmless(jobs).join(' ')}`
  return `${state} · ${held}`
}
