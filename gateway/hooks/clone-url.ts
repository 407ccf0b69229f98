/** `git@host:owner/name.git`, which is no URL. */
const SCP = /^(?:[^@/\s]+@)?([^:/\s]+):(?!\/\/)\/?(.+)$/

/**
 * Where a repository is, whatever the scheme, user and spelling: forges tell no owner, name or
 * host apart by case. Undefined for what is no clone URL.
 */
export function cloneKey(url: string): string | undefined {
  const place = url.includes('://') ? placeOfUrl(url) : placeOfScp(url)
  return place
    ?.toLowerCase()
    .replace(/\/+$/, '')
    .replace(/\.git$/, '')
}

function placeOfUrl(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined
  const { host, pathname } = new URL(url)
  return `${host}${pathname}`
}

function placeOfScp(text: string): string | undefined {
  const match = SCP.exec(text)
  return match === null ? undefined : `${match[1]}/${match[2]}`
}
