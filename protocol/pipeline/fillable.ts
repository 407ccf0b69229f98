import type { Path } from './problem.ts'
import { asMap } from './value.ts'

/** Where texts of a job may have fields; `*` stands for any name, `[]` for any index. */
const PLACES: readonly (readonly string[])[] = [
  ['image'],
  ['env', '*'],
  ['resources', 'gpu', 'vendor'],
  ['resources', 'gpu', 'model'],
  ['resources', 'gpu', 'gfx'],
  ['resources', 'gpu', 'mig'],
  ['resources', 'gpu', 'numa'],
  ['resources', 'gpu', 'share'],
  ['labels', '*'],
  ['prefer', 'labels', '*'],
  ['concurrency'],
  ['concurrency', 'group'],
  ['services', '*', 'image'],
  ['services', '*', 'env', '*'],
  ['steps', '[]', 'name']
]

type Fill = (text: string, path: Path) => string

/** The job as it stands in the file, with each text that may have fields replaced. */
export function withTexts(job: unknown, fill: Fill): unknown {
  return PLACES.reduce((value, place) => replaced(value, place, [], fill), job)
}

// Only where a text may be: what aliases stand for can be endless elsewhere.
function replaced(value: unknown, place: readonly string[], path: Path, fill: Fill): unknown {
  const [segment, ...rest] = place
  if (segment === undefined) return typeof value === 'string' ? fill(value, path) : value
  if (segment === '[]') {
    if (!Array.isArray(value)) return value
    return value.map((item, index) => replaced(item, rest, [...path, index], fill))
  }
  const map = asMap(value)
  if (map === undefined) return value
  const keys =
    segment === '*' ? Object.keys(map) : [segment].filter((key) => Object.hasOwn(map, key))
  if (keys.length === 0) return value
  const changed: Record<string, unknown> = { ...map }
  for (const key of keys) changed[key] = replaced(map[key], rest, [...path, key], fill)
  return changed
}

/** The texts of a job that may have fields, with their paths in it. */
export function textsOf(job: unknown): readonly { readonly path: Path; readonly text: string }[] {
  const texts: { readonly path: Path; readonly text: string }[] = []
  withTexts(job, (text, path) => {
    texts.push({ path, text })
    return text
  })
  return texts
}
