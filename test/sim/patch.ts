import type { Patch } from './mutation.ts'

/** The text with all patches made; throws where one does not fit exactly once. */
export function patched(text: string, patches: readonly Patch[]): string {
  return patches.reduce((before, { file, find, replace }) => {
    const parts = before.split(find)
    if (parts.length === 2) return parts.join(replace)
    // A line that was moved or reworded must be noticed, or the rule is no longer tested.
    throw new Error(`${file} has ${parts.length - 1} times: ${find}`)
  }, text)
}
