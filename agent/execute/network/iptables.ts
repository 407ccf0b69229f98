import { existsSync } from 'node:fs'
import { RULES_WAIT_S } from '../../../protocol/core/network-limits.ts'
import { addText, type Family, removeText, restoreText, rulesOf } from './chains.ts'
import { viewOf } from './filter-view.ts'
import type { Opening } from './openings.ts'
import type { RuleTable } from './rule-table.ts'
import { runTool } from './rule-tool.ts'
import { parseFilter, type SavedFilter } from './saved-filter.ts'

/** Which of its two ways into the kernel `iptables` takes; the system's own choice where absent. */
export type Backend = 'nft' | 'legacy'

const PROGRAMS: Readonly<Record<Family, string>> = { IPv4: 'iptables', IPv6: 'ip6tables' }

/**
 * In the network namespace of this process, by `iptables-save` and `iptables-restore`; rejects with
 * what they say. Frames that a kernel without IPv6 does not forward need no rules.
 */
export function iptablesTable(backend?: Backend): RuleTable {
  const families: readonly Family[] = existsSync('/proc/net/if_inet6') ? ['IPv6', 'IPv4'] : ['IPv4']
  const program = (family: Family, verb: string): string =>
    [PROGRAMS[family], backend, verb].filter((part) => part !== undefined).join('-')
  const look = async (): Promise<ReadonlyMap<Family, SavedFilter>> => {
    const found = families.map(async (family) => {
      const saved = await runTool(program(family, 'save'), ['-t', 'filter'], '')
      return [family, parseFilter(saved)] as const
    })
    return new Map(await Promise.all(found))
  }
  const restore = async (family: Family, text: string): Promise<void> => {
    // Other tools of the host change the same table: without a wait one of the two gives up.
    const args = ['-w', String(RULES_WAIT_S), '--noflush']
    await runTool(program(family, 'restore'), args, text)
  }
  return {
    rules: families.reduce((sum, family) => sum + rulesOf(family), 0),
    list: async () => viewOf(await look()),
    lay: async (openings) => {
      for (const [family, view] of await look()) {
        await restore(family, restoreText(family, view, listed(openings)))
      }
    },
    add: async (openings) => {
      const own = listed(openings)
      if (own.length > 0) await restore('IPv4', addText(own))
    },
    remove: async (openings) => {
      const own = listed(openings)
      if (own.length > 0) await restore('IPv4', removeText(own))
    }
  }
}

/** What is beside a job on its bridge needs no rule of its own here. */
function listed(openings: readonly Opening[]): readonly Opening[] {
  return openings.filter(({ beside }) => beside !== true)
}
