import type { ForgeName } from '../hooks/forge-hook.ts'
import type { ForgePlace } from './forge-api.ts'

/** A forge that has an API: bare Git has none. */
export type ApiForge = Exclude<ForgeName, 'git'>

/**
 * Where the repository's API is: what gateway.yaml says (`api`), else what its forge's
 * documentation says for that URL. GitLab below a path of its host needs `api`: its groups cannot
 * be told from that path.
 */
export function placeOf(forge: ApiForge, url: string, api?: string): ForgePlace {
  const { pathname } = new URL(url)
  const segments = pathname
    .replace(/\.git$/, '')
    .split('/')
    .filter((each) => each !== '')
  const base = (api ?? defaultApi(forge, url, segments.slice(0, -2))).replace(/\/+$/, '')
  if (forge !== 'gitlab') return { api: base, path: segments.slice(-2).join('/') }
  const folder = new URL(base).pathname.replace(/\/api\/v4$/, '')
  const path = `/${segments.join('/')}`
  const inside = folder !== '' && path.startsWith(`${folder}/`) ? path.slice(folder.length) : path
  return { api: base, path: inside.slice(1) }
}

/** Where the forge's pages are, which is where its runners look for it. */
export function rootOf({ api }: Pick<ForgePlace, 'api'>): string {
  if (api === 'https://api.github.com') return 'https://github.com'
  return api.replace(/\/api\/v[0-9]+$/, '')
}

function defaultApi(forge: ApiForge, url: string, folder: readonly string[]): string {
  const { protocol, host, hostname } = new URL(url)
  // The port of ssh or git is not that of the pages.
  const origin = /^https?:$/.test(protocol) ? `${protocol}//${host}` : `https://${hostname}`
  if (forge === 'gitlab') return `${origin}/api/v4`
  if (forge !== 'github') return `${[origin, ...folder].join('/')}/api/v1`
  return hostname === 'github.com' ? 'https://api.github.com' : `${origin}/api/v3`
}
