import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { egressRig, getText, PUBLIC, statusOf } from '../../../support/egress-rig.ts'

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
    const rig = await egressRig({ policy: 'audit' })
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
    const rig = await egressRig({ policy: 'audit' })
    expect(statusOf(await rig.send(getText(url, host)))).toBe(400)
    expect([rig.asked, rig.dialled]).toEqual([[], []])
  })

  test('as a plain request is refused: two hosts, of which the first is right', async () => {
    const rig = await egressRig()
    const answer = await rig.send(getText('http://a.example/', 'a.example', 'HOST: b.example\r\n'))
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
    const rig = await egressRig()
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
    const rig = await egressRig()
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
    const rig = await egressRig()
    const head = 'POST http://a.example HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n'
    expect(statusOf(await rig.send(`${head}Expect: 100-continue\r\n${rest}`))).toBe(100)
    expect(rig.requests).toMatchObject([{ method: 'POST', url: '/', body: 'hello' }])
    expect(rig.requests[0]?.head).toEqual([
      ...['host', 'a.example', ...framing],
      ...['connection', 'close']
    ])
  })

  test('without a body is not given one', async () => {
    const rig = await egressRig()
    for (const method of ['GET', 'HEAD', 'DELETE', 'POST', 'PROPFIND']) {
      const head = `${method} http://a.example/ HTTP/1.1\r\nHost: a.example\r\n`
      expect(statusOf(await rig.send(`${head}Connection: close\r\n\r\n`)), method).toBe(200)
      const sent = rig.requests.at(-1)?.head.join(' ') ?? ''
      expect(sent, method).not.toContain('transfer-encoding')
    }
  })

  test('behind another on one connection is judged by itself', async () => {
    const rig = await egressRig()
    const one = 'GET http://a.example/1 HTTP/1.1\r\nHost: a.example\r\n\r\n'
    const answer = await rig.send(`${one}${getText('http://b.example/2', 'b.example')}`)

    expect([...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1])).toEqual([
      '200',
      '403'
    ])
    expect(rig.requests.map(({ url }) => url)).toEqual(['/1'])
  })

  test('gets the answer as it was, in a frame of its own', async () => {
    const rig = await egressRig()
    rig.answer = (_request, response) => {
      response.writeHead(201, 'Made', ['Set-Cookie', 'a', 'Set-Cookie', 'b', 'Keep-Alive', '9'])
      response.write('one')
      response.end('two')
    }
    const answer = await rig.send(getText('http://a.example/', 'a.example'))

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
    const rig = await egressRig()
    rig.answer = (request) => void request.socket.end(said)
    expect(statusOf(await rig.send(getText('http://a.example/', 'a.example')))).toBe(502)
  })

  test('whose answer breaks off does not look whole', async () => {
    const rig = await egressRig()
    rig.answer = (request) =>
      void request.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')
    // It asks for the connection to be kept: that it ends is how the job's program knows.
    const answer = await rig.send('GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n')
    expect(answer).toMatch(/content-length: 9/i)
    expect(answer.endsWith('half')).toBe(true)
  })
})
