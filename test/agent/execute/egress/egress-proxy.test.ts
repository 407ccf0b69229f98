import { once } from 'node:events'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { EGRESS_ADDRESSES_MAX } from '../../../../protocol/core/egress-limits.ts'
import { EgressRig, MUTE_PORT, PUBLIC, type RigWish } from '../../../support/egress-rig.ts'
import { eventually } from '../../../support/eventually.ts'

const NAMES = {
  'a.example': [[PUBLIC]],
  'b.example': [['5.6.7.8']],
  'deep.a.example': [[PUBLIC]],
  'metadata.example': [['169.254.169.254']],
  'lan.example': [['10.9.9.9']],
  'loopback.example': [['127.0.0.1']],
  'host.example': [['9.8.7.6']],
  'mixed.example': [[PUBLIC, '192.168.1.1']],
  'odd.example': [['::1']],
  'empty.example': [[]]
}
const ALLOW = [
  'a.example:80',
  'a.example:443',
  '*.a.example:443',
  ...['metadata', 'lan', 'loopback', 'host', 'mixed', 'odd', 'empty', 'nowhere'].map(
    (name) => `${name}.example:1-65535`
  ),
  '1.2.3.4:8080',
  '10.9.9.9:443'
]

let rigs: EgressRig[] = []

afterEach(async () => {
  for (const rig of rigs) await rig.close()
  rigs = []
})

async function open(wish: Partial<RigWish> = {}): Promise<EgressRig> {
  const rig = await EgressRig.open({
    policy: { allow: ALLOW },
    names: NAMES,
    own: ['9.8.7.6'],
    ...wish
  })
  rigs.push(rig)
  return rig
}

/** A plain request that ends its connection. */
function get(url: string, host: string, more = ''): string {
  return `GET ${url} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${more}\r\n`
}

function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1])
}

describe('a tunnel', () => {
  test('to a listed name carries bytes both ways, to the address that the name had', async () => {
    const rig = await open()
    const { socket, said } = await rig.tunnel('A.Example.:443')
    socket.write('ping')
    await eventually('it comes back', () => said().endsWith('ping'))
    socket.end()
    await once(socket, 'close')

    expect(statusOf(said())).toBe(200)
    expect(rig.dialled).toEqual([`${PUBLIC}:443`])
    expect(rig.asked).toEqual(['a.example'])
    expect(rig.lines).toEqual([`network: allowed a.example:443 at ${PUBLIC}`])
  })

  test('takes what came right behind its request', async () => {
    const rig = await open()
    const socket = await rig.connect()
    let text = ''
    socket.on('data', (part: Buffer) => {
      text += part.toString('latin1')
    })
    socket.write('CONNECT a.example:443 HTTP/1.0\r\n\r\nat once')
    await eventually('it comes back', () => text.endsWith('at once'))
    expect(statusOf(text)).toBe(200)
  })

  test('to a name below a wildcard is open, to a listed address too', async () => {
    const rig = await open()
    for (const to of ['deep.a.example:443', '1.2.3.4:8080']) {
      const { said } = await rig.tunnel(to)
      expect(statusOf(said()), to).toBe(200)
    }
  })

  test('that a rebinding name would lead elsewhere goes where the name was checked to lead', async () => {
    const rig = await open({ names: { 'a.example': [[PUBLIC], ['127.0.0.1']] } })
    const first = await rig.tunnel('a.example:443')
    const second = await rig.send('CONNECT a.example:443 HTTP/1.1\r\n\r\n')

    expect(statusOf(first.said())).toBe(200)
    expect(statusOf(second)).toBe(403)
    expect(rig.dialled).toEqual([`${PUBLIC}:443`])
  })

  test.each([
    ['b.example:443', 'it is not in the list'],
    ['a.example:444', 'it is not in the list'],
    ['xa.example:443', 'it is not in the list'],
    ['b.example:25', 'mail'],
    ['1.2.3.4:443', 'it is not in the list'],
    ['127.0.0.1:22', 'it is not in the list']
  ])('to %s is refused before anybody is asked: %s', async (to, reason) => {
    const rig = await open()
    const answer = await rig.send(`CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n`)

    expect(statusOf(answer)).toBe(403)
    expect(answer).toContain(reason)
    expect([rig.asked, rig.dialled]).toEqual([[], []])
    expect(rig.lines).toEqual([expect.stringMatching(`^network: refused ${to}: ${reason}`)])
  })

  test.each([
    ['metadata.example', '169.254.169.254 is not public'],
    ['lan.example', '10.9.9.9 is not public'],
    ['loopback.example', '127.0.0.1 is not public'],
    ['host.example', '9.8.7.6 is this host'],
    ['mixed.example', '192.168.1.1 is not public'],
    ['odd.example', 'an address that is none'],
    ['empty.example', 'no address'],
    ['nowhere.example', 'ENOTFOUND'],
    ['10.9.9.9', '10.9.9.9 is not public']
  ])('to %s calls nobody, though it is listed: %s', async (name, reason) => {
    const rig = await open()
    const answer = await rig.send(`CONNECT ${name}:443 HTTP/1.1\r\n\r\n`)

    expect(statusOf(answer)).toBe(403)
    expect(answer).toContain(reason)
    expect(rig.dialled).toEqual([])
  })

  test('of an audit leads to every public name, and nowhere else', async () => {
    const rig = await open({ policy: 'audit' })
    const { said } = await rig.tunnel('b.example:8443')
    const lan = await rig.send('CONNECT lan.example:443 HTTP/1.1\r\n\r\n')
    const mail = await rig.send('CONNECT b.example:25 HTTP/1.1\r\n\r\n')

    expect([said(), lan, mail].map(statusOf)).toEqual([200, 403, 403])
    expect(rig.dialled).toEqual(['5.6.7.8:8443'])
  })

  test('tries the addresses of a name in turn, and not too many', async () => {
    const dead = Array.from({ length: 9 }, (_, at) => `1.1.1.${at}`)
    const rig = await open({
      names: { 'a.example': [dead], 'deep.a.example': [[...dead.slice(0, 2), PUBLIC]] }
    })
    const { said } = await rig.tunnel('deep.a.example:443')
    expect(statusOf(said())).toBe(200)
    expect(rig.dialled).toEqual(['1.1.1.0:443', '1.1.1.1:443', `${PUBLIC}:443`])

    rig.dialled.length = 0
    const answer = await rig.send('CONNECT a.example:443 HTTP/1.1\r\n\r\n')
    expect(statusOf(answer)).toBe(502)
    expect(answer).toContain('ECONNREFUSED')
    expect(rig.dialled).toHaveLength(EGRESS_ADDRESSES_MAX)
  })
})

describe('what could be read in two ways', () => {
  test.each([
    'a.example',
    'a.example:0',
    'a.example:65536',
    'a.example:443:443',
    'user@a.example:443',
    '[::1]:443',
    '[::ffff:127.0.0.1]:443',
    '0x7f.1:443',
    '0x7f000001:443',
    '2130706433:443',
    '0177.0.0.1:443',
    '127.1:443',
    '1.2.3.4.:8080',
    'localhost:443',
    'a.example:443/x',
    'a.example%2eevil:443',
    'a.exa\xadmple:443',
    '.a.example:443',
    'a..example:443'
  ])('as the target of a tunnel is refused: %s', async (to) => {
    const rig = await open({ policy: 'audit' })
    expect(statusOf(await rig.send(`CONNECT ${to} HTTP/1.1\r\n\r\n`))).toBe(400)
    expect([rig.asked, rig.dialled]).toEqual([[], []])
  })

  test.each([
    ['/', 'a.example'],
    ['https://a.example/', 'a.example'],
    ['http://a.example@b.example/', 'b.example'],
    ['http://a.example\\@b.example/', 'a.example'],
    ['http:a.example/', 'a.example'],
    ['http:///a.example/', 'a.example'],
    ['http://a.example:80x/', 'a.example'],
    ['http://0x7f.1/', '0x7f.1'],
    ['http://a.example/', 'b.example'],
    ['http://a.example/', 'a.example:81'],
    ['http://a.example:80/', 'a.example:443'],
    ['http://a.example/', 'a.example, b.example'],
    ['http://a.example/', '']
  ])('as a plain request is refused: %s with Host %s', async (url, host) => {
    const rig = await open({ policy: 'audit' })
    expect(statusOf(await rig.send(get(url, host)))).toBe(400)
    expect([rig.asked, rig.dialled]).toEqual([[], []])
  })

  test('as a plain request is refused: two hosts, of which the first is right', async () => {
    const rig = await open()
    const answer = await rig.send(get('http://a.example/', 'a.example', 'HOST: b.example\r\n'))
    expect(statusOf(answer)).toBe(400)
    expect(rig.dialled).toEqual([])
  })

  test.each<readonly [string, string]>([
    ['two hosts', 'Host: b.example\r\n'],
    ['two lengths', 'Content-Length: 3\r\nContent-Length: 3\r\n'],
    ['a length and chunks', 'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n'],
    ['another encoding', 'Transfer-Encoding: gzip, chunked\r\n'],
    ['an encoding that is hidden', 'Transfer-Encoding: xchunked\r\n'],
    ['two encodings', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'],
    ['a length with a sign', 'Content-Length: +3\r\n'],
    ['a folded field', 'X: a\r\n b\r\n'],
    ['a space before the colon', 'Content-Length : 3\r\n'],
    ['a bare line feed', 'X: a\nTransfer-Encoding: chunked\r\n']
  ])('as a message is refused: %s', async (_name, field) => {
    const rig = await open()
    const head = `POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\n${field}\r\n`
    const socket = await rig.connect()
    let text = ''
    socket.on('data', (part: Buffer) => {
      text += part.toString('latin1')
    })
    socket.write(`${head}0\r\n\r\nGET http://a.example/second HTTP/1.1\r\nHost: a.example\r\n\r\n`)
    await once(socket, 'end')

    expect(statusOf(text)).toBe(400)
    expect(rig.requests).toEqual([])
  })
})

describe('a plain request', () => {
  test('is written anew: what is of its connection stays behind', async () => {
    const rig = await open()
    const fields = [
      'Proxy-Authorization: Basic x',
      'Proxy-Connection: keep-alive',
      'Connection: X-Secret, keep-alive',
      'X-Secret: 1',
      'TE: trailers',
      'Upgrade: websocket',
      'Keep-Alive: 5',
      'Accept: a',
      'Accept: b'
    ]
    const head = `GET http://A.EXAMPLE:80/x?y=%20z HTTP/1.1\r\nHost: A.example.\r\n${fields.join('\r\n')}`
    const answer = await rig.send(`${head}\r\nConnection: close\r\n\r\n`)

    expect(statusOf(answer)).toBe(200)
    expect(answer).toMatch(/hello\r?\n?/)
    expect(rig.requests).toEqual([
      {
        ...{ method: 'GET', url: '/x?y=%20z', body: '' },
        head: ['host', 'a.example', 'Accept', 'a', 'Accept', 'b', 'connection', 'close']
      }
    ])
    expect(rig.dialled).toEqual([`${PUBLIC}:80`])
  })

  test.each([
    ['Content-Length: 5\r\n\r\nhello', ['content-length', '5']],
    [
      'Transfer-Encoding: Chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX: y\r\n\r\n',
      ['transfer-encoding', 'chunked']
    ]
  ])('has its body framed once: %j', async (rest, framing) => {
    const rig = await open()
    const head = 'POST http://a.example HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n'
    expect(statusOf(await rig.send(`${head}Expect: 100-continue\r\n${rest}`))).toBe(100)
    expect(rig.requests).toMatchObject([{ method: 'POST', url: '/', body: 'hello' }])
    expect(rig.requests[0]?.head).toEqual([
      ...['host', 'a.example', ...framing],
      ...['connection', 'close']
    ])
  })

  test('without a body is not given one', async () => {
    const rig = await open()
    for (const method of ['GET', 'HEAD', 'DELETE', 'POST', 'PROPFIND']) {
      const head = `${method} http://a.example/ HTTP/1.1\r\nHost: a.example\r\n`
      expect(statusOf(await rig.send(`${head}Connection: close\r\n\r\n`)), method).toBe(200)
      const sent = rig.requests.at(-1)?.head.join(' ') ?? ''
      expect(sent, method).not.toContain('transfer-encoding')
    }
  })

  test('behind another on one connection is judged by itself', async () => {
    const rig = await open()
    const one = 'GET http://a.example/1 HTTP/1.1\r\nHost: a.example\r\n\r\n'
    const answer = await rig.send(`${one}${get('http://b.example/2', 'b.example')}`)

    expect([...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1])).toEqual([
      '200',
      '403'
    ])
    expect(rig.requests.map(({ url }) => url)).toEqual(['/1'])
  })

  test('gets the answer as it was, in a frame of its own', async () => {
    const rig = await open()
    rig.answer = (_request, response) => {
      response.writeHead(201, 'Made', ['Set-Cookie', 'a', 'Set-Cookie', 'b', 'Keep-Alive', '9'])
      response.write('one')
      response.end('two')
    }
    const answer = await rig.send(get('http://a.example/', 'a.example'))

    expect(answer).toMatch(/^HTTP\/1\.1 201 Made\r\n/)
    expect(answer.match(/Set-Cookie: [ab]\r\n/g)).toHaveLength(2)
    expect(answer).not.toContain('Keep-Alive: 9')
    expect(answer).toMatch(/one[\s\S]*two/)
  })

  test.each([
    ['nothing', ''],
    ['no HTTP', 'SSH-2.0-x\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    [
      'chunks and a length',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'
    ],
    ['another protocol', 'HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n']
  ])('that is answered with %s is told so', async (_name, said) => {
    const rig = await open()
    rig.answer = (request) => void request.socket.end(said)
    expect(statusOf(await rig.send(get('http://a.example/', 'a.example')))).toBe(502)
  })

  test('whose answer breaks off does not look whole', async () => {
    const rig = await open()
    rig.answer = (request) =>
      void request.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')
    // It asks for the connection to be kept: that it ends is how the job's program knows.
    const answer = await rig.send('GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n')
    expect(answer).toMatch(/content-length: 9/i)
    expect(answer.endsWith('half')).toBe(true)
  })
})

describe('whoever is slow, many or somebody else', () => {
  test.each(['127.77.0.1', '127.77.0.70', '127.0.0.1'])('%s is not answered', async (from) => {
    const rig = await open()
    expect(await rig.send('CONNECT a.example:443 HTTP/1.1\r\n\r\n', from)).toBe('')
    expect([rig.asked, rig.lines]).toEqual([[], []])
  })

  test.each([
    ['nothing', ''],
    ['half a head', 'GET http://a.example/ HTTP/1.1\r\nHost: a'],
    ['half a line', 'CONN']
  ])('a connection that sends %s is ended', async (_name, bytes) => {
    const rig = await open({ limits: { headMs: 50 } })
    await rig.send(bytes)
    expect(rig.dialled).toEqual([])
  })

  test('a head that is too large is refused', async () => {
    const rig = await open()
    const more = `X: ${'x'.repeat(20_000)}\r\n`
    expect(statusOf(await rig.send(get('http://a.example/', 'a.example', more)))).toBe(400)
  })

  test('a tunnel without a byte is ended', async () => {
    const rig = await open({ policy: 'audit', limits: { idleMs: 50 } })
    const { socket } = await rig.tunnel(`a.example:${MUTE_PORT}`)
    await once(socket, 'close')
    expect(socket.destroyed).toBe(true)
  })

  test('a tunnel that one side has ended is ended sooner', async () => {
    const rig = await open({ policy: 'audit', limits: { idleMs: 600_000, halfOpenMs: 50 } })
    const { socket } = await rig.tunnel(`a.example:${MUTE_PORT}`)
    socket.end('the last words')
    await once(socket, 'close')
    expect(socket.destroyed).toBe(true)
  })

  test('a body that stops in the middle is ended', async () => {
    const rig = await open({ limits: { idleMs: 50 } })
    const head =
      'POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\nContent-Length: 9\r\n\r\nhalf'
    await rig.send(head)
    expect(rig.requests).toEqual([])
  })

  test('more connections than a job may have are refused until one ends', async () => {
    const rig = await open({ limits: { connections: 2 } })
    const one = await rig.tunnel('a.example:443')
    await rig.tunnel('a.example:443')
    expect(await rig.send('CONNECT a.example:443 HTTP/1.1\r\n\r\n')).toBe('')

    one.socket.destroy()
    let said = ''
    await eventually('there is room', async () => {
      said = await rig.send('CONNECT b.example:443 HTTP/1.1\r\n\r\n')
      return said !== ''
    })
    expect(statusOf(said)).toBe(403)
  })

  test('requests on one connection do not open more than a job may have', async () => {
    const rig = await open({ limits: { connections: 2 } })
    rig.answer = () => undefined
    const socket = await rig.connect()
    const one = 'GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n'
    socket.write(one.repeat(5))
    await eventually('the others are refused', () =>
      rig.lines.some((line) => line.includes('has 2 connections already'))
    )
    expect(rig.dialled).toHaveLength(2)
  })

  test('no bytes make it fail', async () => {
    const rig = await open({ limits: { headMs: 200, idleMs: 100 } })
    const start = fc.constantFrom(
      '',
      'CONNECT ',
      'GET http://',
      'CONNECT a.example:443 HTTP/1.1\r\n'
    )
    const bytes = fc.string({ unit: 'binary-ascii', maxLength: 60 })
    const run = fc.asyncProperty(start, bytes, fc.boolean(), async (head, text, isWhole) => {
      const socket = await rig.connect()
      socket.end(`${head}${text}${isWhole ? '\r\n\r\n' : ''}`, 'latin1')
      socket.resume()
      await once(socket, 'close')
    })
    await fc.assert(run, { numRuns: 100 })
    const { said } = await rig.tunnel('a.example:443')
    expect(statusOf(said())).toBe(200)
  })
})

describe('the end of a proxy', () => {
  test('ends every connection, sums up once, and leaves its place to the next one', async () => {
    const rig = await open()
    const { socket } = await rig.tunnel('a.example:443')
    await rig.send('CONNECT b.example:443 HTTP/1.1\r\n\r\n')
    await rig.send('CONNECT b.example:443 HTTP/1.1\r\n\r\n')
    const closed = once(socket, 'close')
    rig.proxy.close()
    rig.proxy.close()
    await closed

    expect(rig.lines).toEqual([
      `network: allowed a.example:443 at ${PUBLIC}`,
      'network: refused b.example:443: it is not in the list',
      'network: 1 connections allowed, 2 refused'
    ])
    const next = await open({ port: rig.place.port })
    expect(next.place).toEqual(rig.place)
    expect(statusOf((await next.tunnel('a.example:443')).said())).toBe(200)
  })

  test('is not reached where its place is taken', async () => {
    const rig = await open()
    await expect(open({ port: rig.place.port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })
})
