import type { RuleTable } from './rule-table.ts'
import { runTool } from './rule-tool.ts'
import { elementText, RULES, rulesetText, TABLE } from './ruleset.ts'
import { parseTable } from './table-view.ts'

/** In the network namespace of this process; rejects with what `nft` says. */
export function nftTable(): RuleTable {
  const apply = async (statements: readonly string[]): Promise<void> => {
    if (statements.length > 0) await runTool('nft', ['-f', '-'], statements.join('\n'))
  }
  return {
    rules: RULES,
    list: async () => {
      try {
        return parseTable(await runTool('nft', ['-j', 'list', 'table', ...TABLE.split(' ')], ''))
      } catch (error) {
        if (/No such file or directory/.test(String((error as Error).message))) return undefined
        throw error
      }
    },
    lay: (openings) => apply([rulesetText(openings)]),
    add: (openings) => apply(elementText('add', openings)),
    remove: (openings) => apply(elementText('delete', openings))
  }
}
