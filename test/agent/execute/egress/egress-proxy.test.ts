import { once } from 'node:events'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EGRESS_ADDRESSES_MAX } from '../../../../protocol/core/egress-limits.ts'
import { egressRig, getText, MUTE_PORT, PUBLIC, statusOf } from '../../../support/egress-rig.ts'
import { eventually } from '../../../support/eventually.ts'

describe('a tunnel', () => {
  test('to a listed name carries bytes both ways, to the address that the name had', async () => {
    const rig = await egressRig()
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
    const rig = await egressRig()
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
    const rig = await egressRig()
    for (const to of ['deep.a.example:443', '1.2.3.4:8080']) {
      const { said } = await rig.tunnel(to)
      expect(statusOf(said()), to).toBe(200)
    }
  })

  test('that a rebinding name would lead elsewhere goes where the name was checked to lead', async () => {
    const rig = await egressRig({ names: { 'a.example': [[PUBLIC], ['127.0.0.1']] } })
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
    const rig = await egressRig()
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
    ['denied.example', '8.8.4.4 is closed by the owner of this host'],
    ['mixed.example', '192.168.1.1 is not public'],
    ['odd.example', 'an address that is none'],
    ['empty.example', 'no address'],
    ['nowhere.example', 'ENOTFOUND'],
    ['10.9.9.9', '10.9.9.9 is not public']
  ])('to %s calls nobody, though it is listed: %s', async (name, reason) => {
    const rig = await egressRig()
    const answer = await rig.send(`CONNECT ${name}:443 HTTP/1.1\r\n\r\n`)

    expect(statusOf(answer)).toBe(403)
    expect(answer).toContain(reason)
    expect(rig.dialled).toEqual([])
  })

  test('of an audit leads to every public name, and nowhere else', async () => {
    const rig = await egressRig({ policy: 'audit' })
    const { said } = await rig.tunnel('b.example:8443')
    const lan = await rig.send('CONNECT lan.example:443 HTTP/1.1\r\n\r\n')
    const mail = await rig.send('CONNECT b.example:25 HTTP/1.1\r\n\r\n')

    expect([said(), lan, mail].map(statusOf)).toEqual([200, 403, 403])
    expect(rig.dialled).toEqual(['5.6.7.8:8443'])
  })

  test('tries the addresses of a name in turn, and not too many', async () => {
    const dead = Array.from({ length: 9 }, (_, at) => `1.1.1.${at}`)
    const rig = await egressRig({
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

describe('whoever is slow, many or somebody else', () => {
  test.each(['127.77.0.1', '127.77.0.70', '127.0.0.1'])('%s is not answered', async (from) => {
    const rig = await egressRig()
    expect(await rig.send('CONNECT a.example:443 HTTP/1.1\r\n\r\n', from)).toBe('')
    expect([rig.asked, rig.lines]).toEqual([[], []])
  })

  test.each([
    ['nothing', ''],
    ['half a head', 'GET http://a.example/ HTTP/1.1\r\nHost: a'],
    ['half a line', 'CONN']
  ])('a connection that sends %s is ended', async (_name, bytes) => {
    const rig = await egressRig({ limits: { headMs: 50 } })
    await rig.send(bytes)
    expect(rig.dialled).toEqual([])
  })

  test('a head that is too large is refused', async () => {
    const rig = await egressRig()
    const more = `X: ${'x'.repeat(20_000)}\r\n`
    expect(statusOf(await rig.send(getText('http://a.example/', 'a.example', more)))).toBe(400)
  })

  test('a tunnel without a byte is ended', async () => {
    const rig = await egressRig({ policy: 'audit', limits: { idleMs: 50 } })
    const { socket } = await rig.tunnel(`a.example:${MUTE_PORT}`)
    await once(socket, 'close')
    expect(socket.destroyed).toBe(true)
  })

  test('a tunnel that one side has ended is ended sooner', async () => {
    const rig = await egressRig({ policy: 'audit', limits: { idleMs: 600_000, halfOpenMs: 50 } })
    const { socket } = await rig.tunnel(`a.example:${MUTE_PORT}`)
    socket.end('the last words')
    await once(socket, 'close')
    expect(socket.destroyed).toBe(true)
  })

  test('a body that stops in the middle is ended', async () => {
    const rig = await egressRig({ limits: { idleMs: 50 } })
    const head =
      'POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\nContent-Length: 9\r\n\r\nhalf'
    await rig.send(head)
    expect(rig.requests).toEqual([])
  })

  test('more connections than a job may have are refused until one ends', async () => {
    const rig = await egressRig({ limits: { connections: 2 } })
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

  test('requests that come before an answer wait for it, and open nothing meanwhile', async () => {
    const rig = await egressRig()
    const answers: (() => void)[] = []
    rig.answer = (_request, response) => void answers.push(() => response.end('hello'))
    const socket = await rig.connect()
    socket.write('GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n'.repeat(3))
    for (let count = 1; count <= 3; count += 1) {
      await eventually('the next one is asked', () => answers.length === count)
      expect(rig.dialled).toHaveLength(count)
      answers.at(-1)?.()
    }
  })

  test('more new connections in a second than a job may open are closed', async () => {
    let now = 0
    const rig = await egressRig({ limits: { newConnections: 2 }, nowMs: () => now })
    const ask = async (from?: string) =>
      await rig.send('CONNECT b.example:443 HTTP/1.1\r\n\r\n', from)
    // Whoever is not of the job does not count.
    await ask('127.77.0.1')
    const answers = [await ask(), await ask(), await ask()]
    now = 1_000
    answers.push(await ask())

    expect(answers.map((answer) => statusOf(answer) || answer)).toEqual([403, 403, '', 403])
    expect(rig.lines.at(-1)).toBe('network: refused "a connection": more than 2 came in one second')
  })

  test('no bytes make it fail', async () => {
    const rig = await egressRig({ limits: { headMs: 200, idleMs: 100 } })
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
    const rig = await egressRig()
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
    const next = await egressRig({ port: rig.place.port })
    expect(next.place).toEqual(rig.place)
    expect(statusOf((await next.tunnel('a.example:443')).said())).toBe(200)
  })

  test('is not reached where its place is taken', async () => {
    const rig = await egressRig()
    await expect(egressRig({ port: rig.place.port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })
})
