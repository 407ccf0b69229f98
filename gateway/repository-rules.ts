import type { z } from 'zod'
import { cloneKey } from './hooks/clone-url.ts'
import type { ForgeName } from './hooks/forge-hook.ts'

/** Of an entry in gateway.yaml, what must differ from every other. */
interface Entry {
  readonly name: string
  readonly forge: ForgeName
  readonly url: string
}

interface Reached extends Entry {
  readonly credential?: string | undefined
  readonly checkout?: string | undefined
  readonly insecure?: boolean | undefined
  readonly api?: string | undefined
  readonly callback?: string | undefined
}

/** What would be there and never be used is a mistake that nobody would see. */
export function refuseUseless(entries: readonly Reached[], context: z.RefinementCtx): void {
  for (const [index, entry] of entries.entries()) {
    const { forge, api, callback } = entry
    const refuse = (field: string, message: string): void => {
      context.addIssue({ code: 'custom', path: [index, field], message })
    }
    refuseOpen(entry, refuse)
    if (api !== undefined && forge === 'git') refuse('api', 'bare Git has no API')
    if (callback !== undefined && forge !== 'git') {
      refuse('callback', `it is for bare Git; ${forge} is told by commit statuses`)
    }
  }
}

function refuseOpen(entry: Reached, refuse: (field: string, message: string) => void): void {
  const { url, api, insecure = false } = entry
  const open = insecure ? undefined : [url, api].find((each) => each !== undefined && isOpen(each))
  for (const field of ['credential', 'checkout'] as const) {
    if (entry[field] === undefined) continue
    if (url.startsWith('git:')) {
      refuse(field, 'git:// asks nobody who they are: use https, http or ssh')
    }
    if (open === undefined) continue
    refuse(field, `${open} would show it to everybody between: use https, or \`insecure: true\``)
  }
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/i

/** True where what is sent there can be read on the way. */
function isOpen(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { protocol, hostname } = new URL(url)
  return protocol === 'http:' && !LOOPBACK.test(hostname)
}

/** Entries that a delivery could not tell apart, or whose runs would have one id, are refused. */
export function refuseDuplicates(entries: readonly Entry[], context: z.RefinementCtx): void {
  const seen = new Set<string>()
  const servers = new Map<string, string>()
  for (const [index, entry] of entries.entries()) {
    const refuse = (field: string, message: string): void => {
      context.addIssue({ code: 'custom', path: [index, field], message })
    }
    for (const { field, key } of keysOf(entry)) {
      if (seen.has(key)) refuse(field, `${key} is declared twice`)
      seen.add(key)
    }
    const problem = serverProblem(entry, servers)
    if (problem !== undefined) refuse('url', problem)
  }
}

function keysOf({ name, forge, url }: Entry): { readonly field: string; readonly key: string }[] {
  const keys = [
    { field: 'name', key: `name ${name}` },
    { field: 'url', key: `url ${URL.canParse(url) ? urlKey(url) : url}` }
  ]
  if (forge === 'git') return keys
  // The body selects the entry by these, whatever the scheme, and in any case.
  const place = cloneKey(url) ?? url
  return [
    ...keys,
    { field: 'name', key: `${forge} name ${name.toLowerCase()}` },
    { field: 'url', key: `${forge} repository ${place}` }
  ]
}

/** The one key of a repository: two spellings of its URL must not be two repositories. */
function urlKey(url: string): string {
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host.toLowerCase()}${pathname.replace(/\.git$/, '')}`
}

/**
 * A run is named after its host and the number that the forge there gives the repository. Two
 * forges on one host, under two paths, would both have a number 7, and a mirrored push on both
 * would be one run.
 */
function serverProblem({ forge, url }: Entry, servers: Map<string, string>): string | undefined {
  if (forge === 'git' || !URL.canParse(url)) return undefined
  const { protocol, host, pathname } = new URL(url)
  // Over SSH the path says nothing of where the pages are.
  const folder = protocol === 'ssh:' ? undefined : pathname.split('/').slice(0, -2).join('/')
  const facts = [`is ${forge}`, ...(folder === undefined ? [] : [`has its pages at ${folder}/`])]
  for (const [topic, fact] of facts.entries()) {
    const key = `${host.toLowerCase()} ${topic}`
    const first = servers.get(key)
    if (first === undefined) servers.set(key, fact)
    else if (first !== fact) {
      return `${host} ${fact} here and ${first} in another entry: give each forge a host name`
    }
  }
  return undefined
}
