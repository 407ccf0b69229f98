import prettyMs from 'pretty-ms'
import type { WhyDocument } from '../../protocol/api/why-schema.ts'
import { harmless } from '../../protocol/host/harmless.ts'
import type { Console } from './console.ts'
import { renderTable } from './table.ts'

/** Hosts that stand side by side; the closest come first, and `--json` has all. */
const HOSTS_SHOWN = 4

type Host = WhyDocument['hosts'][number]
type Row = Host['requirements'][number]

/** One row a requirement, one column a host: what is met, what time meets, what nobody has. */
export function renderWhy(document: WhyDocument, console: Console): string {
  const { job, waits, resolves, fix, hosts } = harmless(document)
  const where = `${job.repository} ${job.branch}@${job.commit.slice(0, 7)}`
  const age = prettyMs(job.ageMs, { compact: true })
  const head = `${job.shortId} ${job.name} · ${where} · ${job.state} ${age}\n`
  if (!waits) return `${head}${job.why === '' ? 'it waits for no host' : job.why}\n`
  // Most lines say it themselves; what holds a job back may hide that no host could take it.
  const isSaid = resolves || job.why.includes('by itself')
  const lines = [head, isSaid ? `${job.why}\n` : `${job.why}; no known host could take it then\n`]
  if (hosts.length > 0) lines.push('\n', tableOf(hosts, console))
  const more = hosts.length - HOSTS_SHOWN
  if (more > 0) lines.push(`and ${more} more hosts: \`agent why ${job.shortId} --json\`\n`)
  if (fix !== null) lines.push(`\nfix: ${fix}\n`)
  return lines.join('')
}

function tableOf(hosts: readonly Host[], console: Console): string {
  const shown = hosts.slice(0, HOSTS_SHOWN)
  const names = [...new Set(shown.flatMap(({ requirements }) => requirements.map(titleOf)))]
  const rows = names.map((title) => {
    const cells = shown.map(({ requirements }) => {
      const row = requirements.find((one) => titleOf(one) === title)
      return row === undefined ? '-' : cellOf(row, console)
    })
    return [title, ...cells]
  })
  return renderTable(['NEEDS', ...shown.map(({ name }) => name)], rows, console.columns)
}

function titleOf({ requirement, wanted }: Row): string {
  return requirement === 'takes jobs' ? requirement : `${requirement} ${wanted}`
}

/** The word says what the mark says: neither says anything alone. */
function cellOf({ met, resolves, offered }: Row, { paint, unicode }: Console): string {
  if (met) return paint('green', `${unicode ? '✓' : '+'} ${offered}`)
  if (resolves) return paint('yellow', `${unicode ? '…' : '~'} ${offered}, passes`)
  return paint('red', `${unicode ? '✗' : 'x'} ${offered}`)
}
