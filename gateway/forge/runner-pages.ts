import { FORGE_PAGES_MAX } from '../../protocol/core/forge-limits.ts'

/** Rows that a page is asked to have: what Gitea and Forgejo give at most by default. */
const ROWS = '50'

interface Page<R> {
  readonly rows: readonly R[]
  /** Of all pages; undefined where the forge does not say. */
  readonly total: number | undefined
}

/**
 * All rows of a list of Gitea or Forgejo, whose pages have 30 rows where nobody asks for more: a
 * runner behind the first page would else count as gone, and its slot be ended.
 */
export async function allPages<R extends { readonly id: number }>(
  ask: (query: Readonly<Record<string, string>>) => Promise<Page<R>>
): Promise<readonly R[]> {
  const found = new Map<number, R>()
  for (let page = 1; page <= FORGE_PAGES_MAX; page += 1) {
    const before = found.size
    const { rows, total } = await ask({ limit: ROWS, page: String(page) })
    for (const row of rows) found.set(row.id, row)
    // Nothing new: behind the last one, or of a server that has no pages.
    if (found.size === before || (total !== undefined && found.size >= total)) break
  }
  return [...found.values()]
}
