import { allowEntries, type NetworkPolicy } from '../../../protocol/core/network.ts'
import type { EgressPlace } from './egress-proxy.ts'

/** What is never asked of a proxy. */
const LOCAL = ['localhost', '127.0.0.1', '::1']

/**
 * `NAME=value`: by which programs find the proxy, in both spellings that they look for. What the
 * list opens by address is reached without it, and so is what is `beside` the job, by name.
 */
export function proxyVariables(
  { address, port }: EgressPlace,
  policy: NetworkPolicy,
  beside: readonly string[] = []
): readonly string[] {
  const proxy = `http://${address}:${port}`
  const listed = allowEntries(policy).map((entry) =>
    entry.prefix === 32 ? entry.address : `${entry.address}/${entry.prefix}`
  )
  const direct = [...new Set([...LOCAL, ...beside, ...listed])].join(',')
  const values = { http_proxy: proxy, https_proxy: proxy, no_proxy: direct }
  return Object.entries(values).flatMap(([name, value]) => [
    `${name.toUpperCase()}=${value}`,
    `${name}=${value}`
  ])
}
