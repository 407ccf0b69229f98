import { imageParts } from '../../protocol/core/image-name.ts'

export interface ImageReference {
  /** Without tag or digest, as `registry.example:5000/team/tool`. */
  readonly name: string
  /** Tag or digest; never empty, or a pull would fetch every tag there is. */
  readonly tag: string
}

/**
 * Undefined for text that names no image. The text comes from a pipeline file and ends up in the
 * path of an engine call: anything else could name another call.
 */
export function parseImage(text: string): ImageReference | undefined {
  const parts = imageParts(text)
  if (parts === undefined) return undefined
  return { name: parts.name, tag: parts.digest ?? parts.tag ?? 'latest' }
}
