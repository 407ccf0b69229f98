/** The registry of names without a host, and what that host was called before. */
const HUB = 'docker.io'
const OLD_HUB = 'index.docker.io'
const HOST = /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?$/
const COLON = 58

/** Who a registry is told that it is asked by. */
export interface RegistryLogin {
  /** `host[:port]`, as `registryOf` gives it: nobody else is shown the rest. */
  readonly registry: string
  readonly user: string
  readonly password: string
}

/** The host that an image's name leads to, by the rules of engines: `docker.io` where it has none. */
export function registryOf(image: string): string {
  const slash = image.indexOf('/')
  const first = slash < 0 ? '' : image.slice(0, slash)
  const host = first.toLowerCase()
  // A part with capitals is no name: newer engines take it for a host.
  const isHost = /[.:]/.test(first) || first === 'localhost' || first !== host
  return !isHost || host === OLD_HUB ? HUB : host
}

/** The name as engines show it: without the host of that registry, and the folder of its own. */
export function hubFree(image: string): string {
  const bare = image.replace(/^(index\.)?docker\.io\//, '')
  return registryOf(image) === HUB ? bare.replace(/^library\/(?=[^/]+$)/, '') : image
}

/** As it is compared and sealed: hosts have no capitals of their own. */
export function canonicalRegistry(host: string): string {
  return host.toLowerCase()
}

/** What is wrong with a registry's name, with the way out. */
export function registryProblem(host: string): string | undefined {
  if (host === OLD_HUB) return `is called ${HUB} in the names of images: write that`
  if (HOST.test(host) && registryOf(`${host}/image`) === host) return undefined
  return 'is no registry: write its host and port as images have it, registry.example:5000'
}

/** As it is sealed and sent: a user has no colon in it. */
export function loginBytes(user: string, password: Uint8Array): Uint8Array {
  const name = new TextEncoder().encode(`${user}:`)
  const bytes = new Uint8Array(name.length + password.length)
  bytes.set(name)
  bytes.set(password, name.length)
  return bytes
}

/** Undefined for bytes that are no login. */
export function readLogin(registry: string, bytes: Uint8Array): RegistryLogin | undefined {
  const colon = bytes.indexOf(COLON)
  if (colon < 1) return undefined
  const decoder = new TextDecoder()
  const user = decoder.decode(bytes.subarray(0, colon))
  return { registry, user, password: decoder.decode(bytes.subarray(colon + 1)) }
}

/** What must be masked of it: the password alone, too. */
export function hiddenOf(bytes: Uint8Array): readonly Uint8Array[] {
  return [bytes, bytes.subarray(bytes.indexOf(COLON) + 1)]
}
