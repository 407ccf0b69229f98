import { registryOf } from './registry-login.ts'

/** Where an image comes from, in full: what the engine makes of the short forms. */
export interface ImageName {
  /** `docker.io`, `registry.example:5000` */
  readonly registry: string
  /** `library/alpine`, `team/tool` */
  readonly repository: string
  /** True where it names a digest: no one can move it. */
  readonly isPinned: boolean
}

const HOST = '[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]{1,5})?'
const PART = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
/** What an image's name looks like. */
export const IMAGE_PATTERN = new RegExp(
  `^((?:${HOST}/)?${PART}(?:/${PART})*)(?::(\\w[\\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$`
)

/** Folder of the default registry's own images. */
const DEFAULT_FOLDER = 'library'

/** Characters beyond which nothing is an image. */
const REFERENCE_CHARACTERS_MAX = 512

/** An image as it is written. */
export interface ImageParts {
  /** Without tag or digest, as `registry.example:5000/team/tool`. */
  readonly name: string
  readonly tag: string | undefined
  /** `sha256:...` */
  readonly digest: string | undefined
}

/** Undefined for text that names no image: the one grammar for policies, logins and the engine. */
export function imageParts(text: string): ImageParts | undefined {
  if (text.length > REFERENCE_CHARACTERS_MAX) return undefined
  const [, name, tag, digest] = IMAGE_PATTERN.exec(text) ?? []
  return name === undefined ? undefined : { name, tag, digest }
}

/** Undefined for text that names no image. */
export function imageNameOf(text: string): ImageName | undefined {
  const parts = imageParts(text)
  if (parts === undefined) return undefined
  const { name, digest } = parts
  const isPinned = digest !== undefined
  const registry = registryOf(name)
  const [first = '', ...rest] = name.split('/')
  const isDefault = registry === registryOf('')
  const isNamed = !isDefault || (rest.length > 0 && first.includes('.'))
  const path = isNamed ? rest : [first, ...rest]
  const repository = isDefault && path.length === 1 ? [DEFAULT_FOLDER, ...path] : path
  return { registry, repository: repository.join('/'), isPinned }
}
