import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { NFT_CALL_MS_MAX } from '../../../protocol/core/network-limits.ts'
import type { RuleTable } from './rule-table.ts'
import { elementText, RULES, rulesetText, TABLE } from './ruleset.ts'
import { parseTable } from './table-view.ts'

/** Where systems have it, whatever the agent's own path is. */
const PATH = '/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin'
/** Of 1 024 jobs with 64 entries each; a listing beyond it is not ours. */
const OUTPUT_BYTES_MAX = 33_554_432

/** In the network namespace of this process; rejects with what `nft` says. */
export function nftTable(): RuleTable {
  const apply = async (statements: readonly string[]): Promise<void> => {
    if (statements.length > 0) await nft(['-f', '-'], statements.join('\n'))
  }
  return {
    rules: RULES,
    list: async () => {
      try {
        return parseTable(await nft(['-j', 'list', 'table', ...TABLE.split(' ')], ''))
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

async function nft(args: readonly string[], input: string): Promise<string> {
  const limits = {
    timeout: NFT_CALL_MS_MAX,
    killSignal: 'SIGKILL',
    maxBuffer: OUTPUT_BYTES_MAX
  } as const
  const env = { PATH, LC_ALL: 'C' }
  const call = promisify(execFile)('nft', [...args], { ...limits, env })
  call.child.stdin?.on('error', () => undefined)
  call.child.stdin?.end(input)
  try {
    return (await call).stdout
  } catch (error) {
    const { code, stderr = '' } = error as { code?: unknown; stderr?: string }
    if (code === 'ENOENT') throw new Error('nft is not installed', { cause: error })
    const said = stderr.trim().split('\n')[0] ?? ''
    throw new Error(said === '' ? `nft did not answer (${String(code)})` : said, { cause: error })
  }
}
