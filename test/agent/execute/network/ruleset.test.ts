import { expect, test } from 'vitest'
import { deniedOpenings } from '../../../../agent/execute/network/denied.ts'
import { besideOpening } from '../../../../agent/execute/network/openings.ts'
import { elementText, RULES, rulesetText } from '../../../../agent/execute/network/ruleset.ts'

const one = {
  ...{ bridge: 'rmja00000000', address: '1.2.3.4', prefix: 32, protocol: 'tcp' as const },
  ports: { first: 80, last: 80 }
}
const text = rulesetText([one])

/** Rules of one chain, in their order. */
function chain(name: string): readonly string[] {
  const body = new RegExp(`chain ${name} \\{\\n([^}]*)\\n {2}\\}`).exec(text)?.[1] ?? ''
  return body.split('\n').map((line) => line.trim())
}

test('the table is replaced in one transaction, with what jobs may reach', () => {
  const lines = text.split('\n')
  expect(lines.slice(0, 3)).toEqual([
    'table inet runner_mesh',
    'delete table inet runner_mesh',
    'table inet runner_mesh {'
  ])
  expect(lines.at(-1)).toBe(
    'add element inet runner_mesh allow4 { "rmja00000000" . 1.2.3.4/32 . tcp . 80 }'
  )
})

test('nothing but bridges of jobs is ever dropped', () => {
  expect(chain('input').slice(1, 3)).toEqual([
    'iifname "rms*" counter drop',
    'iifname != "rmj*" accept'
  ])
  expect(chain('forward').slice(1)).toEqual([
    'iifname "rmj*" jump from_job',
    // Whatever the policies have let through is known from now on.
    'iifname "rmj*" ct mark and 0x10000000 == 0 ct mark set ct mark or 0x10000000',
    'oifname "rmj*" jump to_job'
  ])
  expect(text.match(/hook /g)).toHaveLength(2)
  expect(text).not.toContain('flush')
})

test('whatever no rule lets through is dropped, and IPv6 before any policy', () => {
  for (const name of ['input', 'from_job', 'to_job', 'allow']) {
    expect(chain(name).at(-1), name).toBe('counter drop')
  }
  const rules = chain('from_job')
  const policies = rules.findIndex((rule) => rule.includes('goto'))
  expect(rules.indexOf('meta nfproto ipv6 drop')).toBeLessThan(policies)
  expect(rules.indexOf('ct status dnat counter drop')).toBeLessThan(policies)
})

test("every cloud's metadata is dropped before a list or an open policy can let it through", () => {
  expect(chain('allow')[0]).toBe('ip daddr @metadata4 counter drop')
  expect(chain('open')[0]).toBe('ip daddr @metadata4 counter drop')
  expect(/set metadata4 \{[^}]*elements = (\{[^}]*\})/.exec(text)?.[1]).toBe(
    '{ 169.254.0.0/16, 168.63.129.16/32, 100.100.100.200/32 }'
  )
})

test('mail to public addresses is dropped, whoever wrote the list that names them', () => {
  expect(chain('internet').at(-1)).toBe('tcp dport 25 counter drop')
  const rules = chain('allow')
  const mail = rules.indexOf('ip daddr != @special4 tcp dport 25 counter drop')
  const listed = rules.findIndex((rule) => rule.includes('@allow4'))
  expect(mail).toBeGreaterThanOrEqual(0)
  expect(mail).toBeLessThan(listed)
})

test('its rules are counted as the kernel counts them', () => {
  const names = ['input', 'forward', 'from_job', 'internet', 'allow', 'open', 'to_job']
  const rules = names.flatMap(chain).filter((rule) => !rule.startsWith('type '))
  // And the two of `limits`, which have braces of their own.
  expect(RULES).toBe(rules.length + 2)
})

test('of the host a job reaches what is opened to its own bridge, and nothing else', () => {
  expect(chain('input').slice(3)).toEqual([
    'ct state established,related ct direction reply accept',
    'ct state new jump limits',
    'iifname . ip daddr . meta l4proto . th dport @hostok accept',
    'counter drop'
  ])
  const proxy = { ...one, ports: { first: 4480, last: 4480 }, host: true } as const
  expect(elementText('add', [proxy, one])).toEqual([
    'add element inet runner_mesh allow4 { "rmja00000000" . 1.2.3.4/32 . tcp . 80 }',
    'add element inet runner_mesh hostok { "rmja00000000" . 1.2.3.4 . tcp . 4480 }'
  ])
})

test('no openings are no statement, several are one', () => {
  expect(elementText('add', [])).toEqual([])
  const range = { ...one, protocol: 'udp' as const, ports: { first: 80, last: 90 } }
  expect(elementText('delete', [one, range])).toEqual([
    'delete element inet runner_mesh allow4 { "rmja00000000" . 1.2.3.4/32 . tcp . 80, ' +
      '"rmja00000000" . 1.2.3.4/32 . udp . 80-90 }'
  ])
})

test('what is beside a job on its bridge is let through before any policy, and nothing else', () => {
  const rules = chain('from_job')
  const beside = rules.indexOf('iifname . oifname @same accept')
  expect(beside).toBeGreaterThan(rules.indexOf('meta nfproto ipv6 drop'))
  expect(beside).toBeLessThan(rules.findIndex((rule) => rule.includes('goto')))
  expect(rules.some((rule) => rule.includes('rmjn'))).toBe(false)
  expect(elementText('add', [besideOpening('rmji00000000'), one])).toEqual([
    'add element inet runner_mesh allow4 { "rmja00000000" . 1.2.3.4/32 . tcp . 80 }',
    'add element inet runner_mesh same { "rmji00000000" . "rmji00000000" }'
  ])
})

test('what was open before the rules were there is judged as if it were new', () => {
  for (const name of ['from_job', 'to_job']) {
    const known = chain(name).filter((rule) => rule.includes('established'))
    expect(known, name).toEqual(['ct state established,related ct mark and 0x10000000 != 0 return'])
  }
})

test('what a bridge has open is counted before any policy, but not what it has with itself', () => {
  const rules = chain('from_job')
  const limits = rules.indexOf('ct state new jump limits')
  expect(limits).toBeGreaterThan(rules.indexOf('iifname . oifname @same accept'))
  expect(limits).toBeLessThan(rules.findIndex((rule) => rule.includes('goto')))
})

test('what an owner denies is dropped under every policy, but for name servers of his', () => {
  for (const name of ['allow', 'open', 'internet']) {
    expect(chain(name)[1], name).toBe('iifname . ip daddr @barred4 counter drop')
  }
})

test("what one owner denies is for the bridges of his own agent's jobs, each block once", () => {
  const blocks = ['5.6.7.0/24', '203.0.113.7/32', '5.6.7.0/25', '5.6.7.9/32', '5.6.7.0/24']
  const denied = deniedOpenings('rmju00000000', blocks)
  expect(elementText('add', [...denied, one])).toEqual([
    'add element inet runner_mesh allow4 { "rmja00000000" . 1.2.3.4/32 . tcp . 80 }',
    'add element inet runner_mesh barred4 { "rmju00000000" . 5.6.7.0/24, ' +
      '"rmju00000000" . 203.0.113.7/32 }'
  ])
  // The table itself is the same, whoever's agent lays it.
  expect(rulesetText([]).split('\n')).not.toContainEqual(expect.stringContaining('5.6.7'))
})
