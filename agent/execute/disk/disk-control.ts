import type { DiskLimit } from '../../../protocol/core/advertisement.ts'

/**
 * What keeps jobs to their disk here: the engine's own quota, file systems of a fixed size, or
 * nobody but whoever looks.
 */
export type DiskControl = 'quota' | 'loop' | 'watch'

export function diskLimitOf(control: DiskControl): DiskLimit {
  return control === 'watch' ? 'soft' : 'hard'
}
