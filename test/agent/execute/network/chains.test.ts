import { describe, expect, test } from 'vitest'
import {
  addText,
  type Family,
  removeText,
  restoreText,
  rulesOf
} from '../../../../agent/execute/network/chains.ts'
import { viewOf } from '../../../../agent/execute/network/filter-view.ts'
import {
  deniedOpening,
  hostOpening,
  type Opening
} from '../../../../agent/execute/network/openings.ts'
import { parseFilter } from '../../../../agent/execute/network/saved-filter.ts'

const ONE: Opening = {
  ...{ bridge: 'rmja00000000', address: '1.2.3.4', prefix: 32, protocol: 'tcp' },
  ports: { first: 80, last: 80 }
}
const ALL: Opening = {
  ...{ bridge: 'rmja00000001', address: '0.0.0.0', prefix: 0, protocol: 'udp' },
  ports: { first: 1, last: 65_535 }
}

/** A host with these chains of its own, as `iptables-save` has them. */
function host(...lines: readonly string[]) {
  return ['*filter', ':INPUT ACCEPT [0:0]', ':FORWARD ACCEPT [0:0]', ...lines, 'COMMIT', ''].join(
    '\n'
  )
}

const ENGINE = [
  ':DOCKER-USER - [0:0]',
  '-A FORWARD -j DOCKER-USER',
  '-A FORWARD -i docker0 ! -o docker0 -j ACCEPT',
  '-A DOCKER-USER -j RETURN'
]

/** What a kernel has after such a text: the little of `iptables-restore` that ours asks of it. */
function restored(saved: string, text: string): string {
  const chains = new Map<string, string[]>()
  for (const line of [...saved.split('\n'), ...text.split('\n')]) {
    const declared = /^:(\S+)/.exec(line)?.[1]
    if (declared !== undefined) chains.set(declared, [])
    const [, verb, chain = '', rest = ''] = /^-([ADI]) (\S+) (.*)$/.exec(line) ?? []
    const rules = chains.get(chain) ?? []
    if (verb === 'A') rules.push(rest)
    if (verb === 'D') rules.splice(rules.indexOf(rest), 1)
    const [, at = '1', rule = ''] = /^(\d+) (.*)$/.exec(rest) ?? []
    if (verb === 'I') rules.splice(Number(at) - 1, 0, rule)
  }
  return [...chains]
    .flatMap(([chain, rules]) => [
      `:${chain} - [0:0]`,
      ...rules.map((rule) => `-A ${chain} ${rule}`)
    ])
    .join('\n')
}

function laid(saved: string, family: Family = 'IPv4', openings: readonly Opening[] = []): string {
  return restored(saved, restoreText(family, parseFilter(saved), openings))
}

function view(saved: string, family: Family = 'IPv4') {
  return viewOf(new Map([[family, parseFilter(saved)]]))
}

/** Rules of one of our chains, in their order. */
function chain(name: string): readonly string[] {
  return parseFilter(laid(host())).rulesOf(`RUNNER-MESH-${name}`)
}

describe('the chains', () => {
  test('drop whatever no rule lets through', () => {
    expect(chain('IN').at(-1)).toBe('-g RUNNER-MESH-HOST')
    expect(chain('IN')[0]).toBe('-i rms+ -j DROP')
    expect(parseFilter(laid(host())).rulesOf('INPUT')).toEqual([
      '-i rmj+ -j RUNNER-MESH-IN',
      '-i rms+ -j RUNNER-MESH-IN'
    ])
    for (const name of ['HOST', 'FROM', 'MAIL', 'LIST', 'TO']) {
      expect(chain(name).at(-1), name).toBe('-j DROP')
    }
  })

  test('go to their policies: none comes back to fall into the last rule, or past a drop', () => {
    const inner = ['FROM', 'INTERNET', 'ALLOW', 'MAIL'].flatMap(chain)
    expect(inner.filter((rule) => rule.includes('RUNNER-MESH'))).not.toHaveLength(0)
    // What only drops, or comes back on purpose.
    expect(inner.filter((rule) => /-j RUNNER-MESH-(?!LIMITS|DENY)/.test(rule))).toEqual([])
  })

  test('drop ports that a neighbour has published before any policy', () => {
    const rules = chain('FROM')
    const policies = rules.findIndex((rule) => rule.includes('-g '))
    expect(rules.indexOf('-m conntrack --ctstate DNAT -j DROP')).toBeLessThan(policies)
    expect(rules).toContain('-m conntrack --ctstate DNAT -j DROP')
  })

  test("drop every cloud's metadata before a list or an open policy can let it through", () => {
    const metadata = ['169.254.0.0/16', '168.63.129.16/32', '100.100.100.200/32']
    const drops = metadata.map((range) => `-d ${range} -j DROP`)
    expect(chain('ALLOW').slice(0, 3)).toEqual(drops)
    expect(chain('OPEN').slice(0, 3)).toEqual(drops)
  })

  test('drop what the owner denies under every policy, but for name servers of his', () => {
    const denied = ['rmju00000000', 'rmja00000000', 'rmji00000000'].map((bridge) =>
      deniedOpening(bridge, '5.6.7.0', 24)
    )
    const saved = laid(host(), 'IPv4', denied)
    const seen = parseFilter(saved)
    const rules = (name: string) => seen.rulesOf(`RUNNER-MESH-${name}`)
    expect(rules('DENY')).toEqual([
      '-d 5.6.7.0/24 -i rmju00000000 -j DROP',
      '-d 5.6.7.0/24 -i rmja00000000 -j DROP',
      '-d 5.6.7.0/24 -i rmji00000000 -g RUNNER-MESH-LIST'
    ])
    for (const name of ['OPEN', 'ALLOW', 'INTERNET']) {
      const at = rules(name).indexOf('-j RUNNER-MESH-DENY')
      expect(at, name).toBeGreaterThanOrEqual(0)
      const policies = rules(name).findIndex((rule) => rule.includes('-g '))
      expect(policies === -1 || at < policies, name).toBe(true)
    }
    expect(view(saved)?.openings).toEqual(denied)
    expect(view(saved)?.rules).toBe(rulesOf('IPv4'))
    expect(view(saved)?.fingerprint).toBe(view(laid(host()))?.fingerprint)
    expect(view(restored(saved, removeText(denied)))?.openings).toEqual([])
  })

  test('let what is open go on only where they have let it out themselves', () => {
    const known = [...chain('FROM'), ...chain('TO')].filter((rule) => rule.includes('ESTABLISHED'))
    expect(known).toHaveLength(2)
    expect(known.every((rule) => rule.includes('--mark 0x10000000/0x10000000'))).toBe(true)
    expect(chain('IN').filter((rule) => rule.includes('ESTABLISHED'))).toEqual([
      '-m conntrack --ctstate RELATED,ESTABLISHED --ctdir REPLY -j RETURN'
    ])
    // After the policies, which end what they drop.
    const seen = parseFilter(laid(host()))
    expect(seen.rulesOf('FORWARD')).toEqual([
      '-i rmj+ -j RUNNER-MESH-FROM',
      '-i rmj+ -j RUNNER-MESH-MARK',
      '-o rmj+ -j RUNNER-MESH-TO'
    ])
  })

  test('count what a bridge has open before any policy, and before its proxy', () => {
    for (const name of ['FROM', 'IN']) {
      const limits = chain(name).findIndex((rule) => rule.endsWith('-j RUNNER-MESH-LIMITS'))
      expect(limits, name).toBeGreaterThanOrEqual(0)
      expect(limits, name).toBeLessThan(chain(name).findIndex((rule) => rule.includes('-g ')))
    }
    // What has been let out comes by again where the engine has a chain of its own.
    expect(chain('FROM')).toContain(
      '-m conntrack --ctstate NEW -m connmark --mark 0x0/0x10000000 -j RUNNER-MESH-LIMITS'
    )
    expect(chain('LIMITS').every((rule) => rule.endsWith('-j DROP'))).toBe(true)
  })

  test('let mail of a list out to addresses that are not public alone', () => {
    const rules = chain('ALLOW')
    const mail = rules.indexOf('-p tcp -m tcp --dport 25 -g RUNNER-MESH-MAIL')
    expect(mail).toBeGreaterThanOrEqual(0)
    expect(mail).toBeLessThan(rules.indexOf('-g RUNNER-MESH-LIST'))
    expect(chain('MAIL')).toContain('-d 10.0.0.0/8 -g RUNNER-MESH-LIST')
    expect(chain('INTERNET').at(-1)).toBe('-p tcp -m tcp --dport 25 -j DROP')
  })

  test('drop all of IPv6', () => {
    const seen = parseFilter(laid(host(), 'IPv6'))
    for (const name of ['IN', 'FROM', 'TO']) {
      expect(seen.rulesOf(`RUNNER-MESH-${name}`), name).toEqual(['-j DROP'])
    }
  })

  test('are one transaction that empties nothing of the host', () => {
    const text = restoreText('IPv4', parseFilter(host(...ENGINE)), [ONE])
    expect(text.match(/^COMMIT$/gm)).toHaveLength(1)
    expect(text.match(/^:(?!RUNNER-MESH)/gm)).toBeNull()
    expect(text).not.toMatch(/^-[FX]/m)
  })
})

describe('what is listed', () => {
  test.each(['IPv4', 'IPv6'] as const)('counts as whole once all is in place (%s)', (family) => {
    expect(view(host(...ENGINE), family)).toBeUndefined()
    expect(view(laid(host(...ENGINE), family), family)?.rules).toBe(rulesOf(family))
  })

  test('has the openings that were laid, added and not removed', () => {
    const saved = laid(host(), 'IPv4', [ONE])
    const more = restored(saved, addText([ALL]))
    expect(view(saved)?.openings).toEqual([ONE])
    expect(view(more)?.openings).toEqual([ALL, ONE])
    expect(view(restored(more, removeText([ONE])))?.openings).toEqual([ALL])
    expect(parseFilter(more).rulesOf('RUNNER-MESH-LIST').at(-1)).toBe('-j DROP')
    expect(view(more)?.fingerprint).toBe(view(saved)?.fingerprint)
  })

  test('has an opening for all addresses, which is listed without them', () => {
    const saved = laid(host(), 'IPv4', [ALL]).replace('-d 0.0.0.0/0 ', '')
    expect(view(saved)?.openings).toEqual([ALL])
  })

  test('tells a place of the host from those beyond it', () => {
    const proxy = hostOpening('rmja00000000', '10.213.0.1', 4_480)
    const saved = laid(host(), 'IPv4', [ONE, proxy])
    expect(view(saved)?.openings).toEqual([ONE, proxy])
    expect(parseFilter(saved).rulesOf('RUNNER-MESH-LIST')).toHaveLength(2)
    const gone = restored(saved, removeText([proxy]))
    expect(view(gone)?.openings).toEqual([ONE])
    expect(view(restored(gone, addText([proxy])))?.openings).toEqual([ONE, proxy])
  })

  test.each([
    [
      'the words of an opening elsewhere',
      '-A RUNNER-MESH-IN -i rmja0 -p tcp -m tcp --dport 1 -j RETURN'
    ],
    ['a rule that lets through', '-A RUNNER-MESH-IN -j ACCEPT'],
    ['a hole that is no opening of ours', '-A RUNNER-MESH-LIST -i eth0 -j RETURN']
  ])('is another with %s', (_, line) => {
    const saved = laid(host())
    expect(view(`${saved}\n${line}`)?.fingerprint).not.toBe(view(saved)?.fingerprint)
  })

  test.each([
    ['FORWARD', '-A FORWARD -j DOCKER-USER', '-A FORWARD -j ACCEPT\n-A FORWARD -j DOCKER-USER'],
    ['DOCKER-USER', ':DOCKER-USER - [0:0]', ':DOCKER-USER - [0:0]\n-A DOCKER-USER -j ACCEPT'],
    ['INPUT', ':INPUT - [0:0]', ':INPUT - [0:0]\n-A INPUT -j ACCEPT']
  ])('is another where somebody else comes first in %s, until it is laid again', (_, from, to) => {
    // As an engine leaves it that has made a network since: its jump at the top.
    const saved = laid(host(...ENGINE)).replace(/^-A FORWARD (?!-j DOCKER-USER).*RUNNER.*\n/gm, '')
    const moved = saved.replace(from, to)
    expect(moved).not.toBe(saved)
    expect(view(moved)?.fingerprint).not.toBe(view(saved)?.fingerprint)

    const again = laid(moved)
    expect(view(again)?.fingerprint).toBe(view(saved)?.fingerprint)
    expect(again.match(/^-A INPUT .*RUNNER-MESH/gm)).toHaveLength(2)
  })

  test("stays what it was when the engine puts its own jump back before ours' in FORWARD", () => {
    const saved = laid(host(...ENGINE))
    const jump = '-A FORWARD -j DOCKER-USER'
    const moved = saved.replace(`${jump}\n`, '').replace(/^(:FORWARD.*)$/m, `$1\n${jump}`)
    expect(view(moved)?.fingerprint).toBe(view(saved)?.fingerprint)
  })
})
