import { describe, expect, test } from 'vitest'
import { holderCount, holderText } from '../../../../agent/execute/network/holder-rules.ts'
import type { Opening } from '../../../../agent/execute/network/openings.ts'

const OPENING: Opening = {
  ...{ bridge: 'rmji00000000', address: '10.0.0.53', prefix: 32, protocol: 'udp' },
  ports: { first: 53, last: 53 }
}
const HOST = ['10.213.0.1', '1.2.3.9', '1.2.3.9']

const rulesOf = (policy: 'internet' | { readonly allow: readonly string[] }) => ({
  policy,
  host: HOST,
  openings: [OPENING],
  denied: ['5.6.7.0/24']
})

/** Rules of what a job sends, in their order. */
function output(policy: 'internet' | { readonly allow: readonly string[] }): readonly string[] {
  const body = /chain output \{\n([^}]*)\n {2}\}/.exec(holderText(rulesOf(policy)))?.[1] ?? ''
  return body.split('\n').map((line) => line.trim())
}

describe('the rules inside a namespace of one job', () => {
  test('drop both ways what no rule lets through, and IPv6 with it', () => {
    const text = holderText(rulesOf('internet'))
    expect(text.match(/policy drop;/g)).toHaveLength(2)
    expect(text).not.toContain('policy accept')
    expect(output('internet').at(-2)).toBe('meta nfproto ipv4 accept')
    expect(output('internet').at(-1)).toBe('counter drop')
    expect(output({ allow: [] }).at(-1)).toBe('counter drop')
  })

  test.each(['internet', { allow: [] }] as const)(
    'drop the host before all else (%j)',
    (policy) => {
      const rules = output(policy)
      const host = rules.indexOf('ip daddr @host4 counter drop')
      expect(host).toBeGreaterThanOrEqual(0)
      expect(host).toBeLessThan(rules.findIndex((rule) => rule.includes('@allow4')))
      // But for the one place of it that is the job's own proxy.
      expect(rules[host - 1]).toContain('@hostok accept')
      expect(holderText(rulesOf(policy))).toContain('elements = { 10.213.0.1, 1.2.3.9 }')
    }
  )

  test.each(['internet', { allow: [] }] as const)(
    "drop every cloud's metadata before a list can let it through (%j)",
    (policy) => {
      const rules = output(policy)
      const drop = rules.indexOf('ip daddr @metadata4 counter drop')
      expect(drop).toBeGreaterThanOrEqual(0)
      expect(drop).toBeLessThan(rules.findIndex((rule) => rule.includes('@allow4')))
      expect(holderText(rulesOf(policy))).toContain(
        'elements = { 169.254.0.0/16, 168.63.129.16/32, 100.100.100.200/32 }'
      )
    }
  )

  test('drop mail to public addresses, whoever wrote the list that names them', () => {
    const internet = output('internet')
    const mail = internet.indexOf('tcp dport 25 counter drop')
    expect(mail).toBeGreaterThanOrEqual(0)
    expect(mail).toBeLessThan(internet.indexOf('meta nfproto ipv4 accept'))
    const list = output({ allow: [] })
    const listed = list.findIndex((rule) => rule.includes('@allow4'))
    expect(list.indexOf('ip daddr != @special4 tcp dport 25 counter drop')).toBe(listed - 1)
  })

  test('open what the job may reach on its own end of the wire', () => {
    expect(holderText(rulesOf('internet')).split('\n').at(-1)).toBe(
      'add element inet runner_mesh allow4 { "eth0" . 10.0.0.53/32 . udp . 53 }'
    )
  })

  test('are counted as the kernel counts them', () => {
    const rules = output('internet').filter((rule) => !rule.startsWith('type '))
    expect(holderCount(rulesOf('internet'))).toBe(rules.length + 3)
  })

  test.each(['internet', { allow: [] }] as const)(
    'drop what the owner denies, and count what the job opens (%j)',
    (policy) => {
      const rules = output(policy)
      expect(rules).toContain('ip daddr @denied4 counter drop')
      expect(holderText(rulesOf(policy))).toContain('elements = { 5.6.7.0-5.6.7.255 }')
      const over = rules.filter(
        (rule) => rule.startsWith('ct state new ') && rule.includes(' over ')
      )
      expect(over).toHaveLength(2)
      expect(rules.indexOf(over[1] ?? '')).toBeLessThan(
        rules.findIndex((rule) => rule.includes('@hostok'))
      )
    }
  )
})
