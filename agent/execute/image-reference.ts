export interface ImageReference {
  /** Without tag or digest, as `registry.example:5000/team/tool`. */
  readonly name: string
  /** Tag or digest; never empty, or a pull would fetch every tag there is. */
  readonly tag: string
}

const REFERENCE_CHARACTERS_MAX = 512

const HOST = '[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]{1,5})?'
const PART = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const REFERENCE = new RegExp(
  `^((?:${HOST}/)?${PART}(?:/${PART})*)(?::(\\w[\\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$`
)

/**
 * Undefined for text that names no image. The text comes from a pipeline file and ends up in the
 * path of an engine call: anything else could name another call.
 */
export function parseImage(text: string): ImageReference | undefined {
  if (text.length > REFERENCE_CHARACTERS_MAX) return undefined
  const [, name, tag, digest] = REFERENCE.exec(text) ?? []
  return name === undefined ? undefined : { name, tag: digest ?? tag ?? 'latest' }
}
