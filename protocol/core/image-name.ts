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
const NAME = new RegExp(
  `^((?:${HOST}/)?${PART}(?:/${PART})*)(?::\\w[\\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$`
)

/** Folder of the default registry's own images. */
const DEFAULT_FOLDER = 'library'

/** Characters beyond which nothing is an image. */
const NAME_CHARACTERS = 512

/** Undefined for text that names no image. */
export function imageNameOf(text: string): ImageName | undefined {
  if (text.length > NAME_CHARACTERS) return undefined
  const [, name, digest] = NAME.exec(text) ?? []
  if (name === undefined) return undefined
  const isPinned = digest !== undefined
  const registry = registryOf(name)
  const [first = '', ...rest] = name.split('/')
  const isDefault = registry === registryOf('')
  const isNamed = !isDefault || (rest.length > 0 && first.includes('.'))
  const path = isNamed ? rest : [first, ...rest]
  const repository = isDefault && path.length === 1 ? [DEFAULT_FOLDER, ...path] : path
  return { registry, repository: repository.join('/'), isPinned }
}
