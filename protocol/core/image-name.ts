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

/** Registry of names without one, and the folder of its own images. */
const DEFAULT_REGISTRY = 'docker.io'
const DEFAULT_FOLDER = 'library'

/** Characters beyond which nothing is an image. */
const NAME_CHARACTERS = 512

/** Undefined for text that names no image. */
export function imageNameOf(text: string): ImageName | undefined {
  if (text.length > NAME_CHARACTERS) return undefined
  const [, name, digest] = NAME.exec(text) ?? []
  if (name === undefined) return undefined
  const isPinned = digest !== undefined
  const slash = name.indexOf('/')
  const first = name.slice(0, Math.max(0, slash))
  if (!isHost(first)) return { ...ofDefault(name), isPinned }
  const repository = name.slice(slash + 1)
  if (first === 'index.docker.io' || first === DEFAULT_REGISTRY) {
    return { ...ofDefault(repository), isPinned }
  }
  return { registry: first, repository, isPinned }
}

/** Engines tell a registry from a folder by these signs. */
function isHost(first: string): boolean {
  return first === 'localhost' || /[.:A-Z]/.test(first)
}

function ofDefault(name: string): Pick<ImageName, 'registry' | 'repository'> {
  const repository = name.includes('/') ? name : `${DEFAULT_FOLDER}/${name}`
  return { registry: DEFAULT_REGISTRY, repository }
}
