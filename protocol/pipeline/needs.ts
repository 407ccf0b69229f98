import { JOBS_PER_RUN_MAX, PIPELINE_PROBLEMS_MAX } from '../core/limits.ts'
import { type Path, quoted } from './problem.ts'
import { nearest } from './suggestion.ts'
import { asMap } from './value.ts'

type Needs = ReadonlyMap<string, readonly string[]>

interface NeedsProblem {
  readonly path: Path
  readonly text: string
}

/** What is wrong with what the jobs of a file need of each other, whatever else is wrong. */
export function needsProblems(jobs: unknown): readonly NeedsProblem[] {
  const entries = Object.entries(asMap(jobs) ?? {})
  // A file of more is refused for that, and searching it would take long.
  if (entries.length > JOBS_PER_RUN_MAX) return []
  const needs = new Map(entries.map(([name, job]) => [name, namesIn(asMap(job)?.['needs'])]))
  return [...unknownNeeds(needs), ...cycles(needs)]
}

function namesIn(list: unknown): readonly string[] {
  if (!Array.isArray(list)) return []
  return list.slice(0, JOBS_PER_RUN_MAX).filter((each): each is string => typeof each === 'string')
}

function unknownNeeds(needs: Needs): readonly NeedsProblem[] {
  const names = [...needs.keys()]
  const problems: NeedsProblem[] = []
  for (const [job, list] of needs) {
    for (const [index, need] of list.entries()) {
      // Each is compared with all names of the file: as many as are shown, and no more.
      if (problems.length >= PIPELINE_PROBLEMS_MAX) return problems
      const isTwice = list.indexOf(need) < index
      if (needs.has(need) && !isTwice) continue
      const text = isTwice ? `${quoted(need)} is there twice: remove one` : unknownText(need, names)
      problems.push({ path: ['jobs', job, 'needs', index], text })
    }
  }
  return problems
}

function unknownText(need: string, names: readonly string[]): string {
  const close = nearest(need, names)
  if (close !== undefined) return `no job ${quoted(need)}: did you mean \`${close}\`?`
  const shown = names.slice(0, NAMES_SHOWN_MAX).map(quoted).join(', ')
  return `no job ${quoted(need)}: the jobs are ${shown}${names.length > NAMES_SHOWN_MAX ? ', …' : ''}`
}

const NAMES_SHOWN_MAX = 10

/** Each cycle that is met from the first job on, at the job that leads into it. */
function cycles(needs: Needs): readonly NeedsProblem[] {
  const state = new Map<string, 'open' | 'done'>()
  const problems: NeedsProblem[] = []
  for (const name of needs.keys()) {
    if (!state.has(name)) walk(name, needs, state, problems)
  }
  return problems
}

// With a stack of its own: 256 jobs in a row are no reason to trust the engine's.
function walk(
  start: string,
  needs: Needs,
  state: Map<string, 'open' | 'done'>,
  problems: NeedsProblem[]
): void {
  const trail: { readonly name: string; next: number }[] = [{ name: start, next: 0 }]
  state.set(start, 'open')
  for (let top = trail.at(-1); top !== undefined; top = trail.at(-1)) {
    const need = needs.get(top.name)?.[top.next]
    top.next += 1
    if (need === undefined) {
      state.set(top.name, 'done')
      trail.pop()
    } else if (state.get(need) === 'open') {
      const names = trail.map(({ name }) => name)
      problems.push(cycleProblem(names.slice(names.indexOf(need)), needs))
    } else if (needs.has(need) && !state.has(need)) {
      state.set(need, 'open')
      trail.push({ name: need, next: 0 })
    }
  }
}

function cycleProblem(cycle: readonly string[], needs: Needs): NeedsProblem {
  const [first = '', second = first] = cycle
  const index = needs.get(first)?.indexOf(second) ?? 0
  const shown = [...cycle, first].map((name) => (/^[\w.-]{1,40}$/.test(name) ? name : quoted(name)))
  return {
    path: ['jobs', first, 'needs', index],
    text: `is a cycle: ${shortened(shown).join(' needs ')}; remove one of them`
  }
}

/** A long one with its middle left out: a message has room for no more. */
function shortened(names: readonly string[]): readonly string[] {
  if (names.length <= NAMES_SHOWN_MAX) return names
  const half = NAMES_SHOWN_MAX / 2
  return [...names.slice(0, half), '…', ...names.slice(-half)]
}
