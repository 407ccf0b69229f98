import { TITLE_CHARACTERS_MAX } from '../../protocol/core/limits.ts'

/** The first line of what people wrote, fit for one line of a terminal. */
export function titleOf(text: string): string {
  const line = text.split('\n')[0] ?? ''
  const shown = line.replaceAll(/[\p{Cc}\p{Cs}\p{Bidi_Control}]/gu, ' ').trim()
  // Half of a surrogate pair at the cut would be no text.
  return shown.slice(0, TITLE_CHARACTERS_MAX).replace(/[\ud800-\udbff]$/, '')
}
