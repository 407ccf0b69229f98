import { writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { agentSettingsSchema } from '../../../agent/config.ts'
import { ControlServer } from '../../../agent/control/server.ts'
import { MetricsServer } from '../../../agent/metrics/metrics-server.ts'
import { Metrics } from '../../../protocol/api/metrics.ts'
import { METRICS_CONNECTIONS_MAX } from '../../../protocol/core/metrics-limits.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { controlParts } from '../../support/control-parts.ts'
import { readExposition, seriesValue } from '../../support/prometheus-text.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

const opened: MetricsServer[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((server) => server.stop()))
})

function counted(): Metrics {
  const metrics = new Metrics()
  metrics.value('answer', 'The answer.', () => 42)
  return metrics
}

async function serve(settings: unknown, metrics: Pick<Metrics, 'text'> = counted()) {
  const { metrics: read } = agentSettingsSchema.parse({ metrics: settings })
  const server = new MetricsServer({ metrics, log: silentLog() }, read)
  opened.push(server)
  await server.start()
  return server
}

async function tokenFile(mode = 0o600): Promise<string> {
  const file = join(await temporaryFolder(), 'token')
  await writeFile(file, 'one-two-three\n', { mode })
  return file
}

test('an agent whose owner says nothing opens no port for metrics', async () => {
  expect((await serve(undefined)).url).toBe('')
  expect((await serve({})).url).toBe('')
})

test('a scraper on the same host gets the metrics as Prometheus reads them', async () => {
  const { url } = await serve({ listen: '127.0.0.1:0' })

  const answer = await fetch(url)

  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/)
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(seriesValue(readExposition(await answer.text()), 'runner_mesh_answer')).toBe(42)
  const other = await fetch(url.replace('/metrics', '/v1/status'))
  expect([other.status, ((await other.json()) as { code?: string }).code]).toEqual([
    404,
    'ROUTE_UNKNOWN'
  ])
})

test('with a token only who shows it is answered, and never told what it is', async () => {
  const { url } = await serve({ listen: '127.0.0.1:0', tokenFile: await tokenFile() })
  const ask = (authorization?: string) =>
    fetch(url, { headers: authorization === undefined ? {} : { authorization } })

  const refused = await Promise.all([ask(), ask('Bearer one-two-four'), ask('Basic b25l')])
  const taken = await ask('Bearer one-two-three')

  expect(refused.map(({ status }) => status)).toEqual([401, 401, 401])
  for (const each of refused) {
    expect(each.headers.get('www-authenticate')).toBe('Bearer')
    const text = await each.text()
    expect(text).toContain('metrics.tokenFile')
    expect(text).not.toContain('one-two')
  }
  expect(taken.status).toBe(200)
})

test('a token that others may read is refused, and nothing listens', async () => {
  const file = await tokenFile(0o644)

  await expect(serve({ listen: '127.0.0.1:0', tokenFile: file })).rejects.toMatchObject({
    code: 'KEY_MODE_WIDE'
  })
})

test('an address that others reach is refused in the settings without a token', () => {
  const parse = (metrics: unknown) => agentSettingsSchema.safeParse({ metrics }).success

  expect(parse({ listen: '0.0.0.0:9471' })).toBe(false)
  expect(parse({ listen: '[::]:9471' })).toBe(false)
  expect(parse({ listen: 'host.example:9471' })).toBe(false)
  expect(parse({ listen: '0.0.0.0:9471', tokenFile: '/etc/runner-mesh/metrics' })).toBe(true)
  expect(parse({ listen: '[::1]:9471' })).toBe(true)
  expect(parse({ listen: 'localhost:9471' })).toBe(true)
  expect(parse({ listen: '127.0.0.1:99999' })).toBe(false)
  expect(parse({ listen: '9471' })).toBe(false)
})

test('a port that is taken is said with its setting', async () => {
  const { url } = await serve({ listen: '127.0.0.1:0' })
  const { port } = new URL(url)

  await expect(serve({ listen: `127.0.0.1:${port}` })).rejects.toThrow(
    `metrics.listen: cannot listen on 127.0.0.1:${port}`
  )
})

test('more connections than a scraper needs are closed, those before go on', async () => {
  const { url } = await serve({ listen: '127.0.0.1:0' })
  const { port } = new URL(url)
  const sockets = await Promise.all(
    Array.from({ length: METRICS_CONNECTIONS_MAX }, async () => {
      const socket = connect(Number(port), '127.0.0.1')
      await new Promise((resolve) => socket.once('connect', resolve))
      return socket
    })
  )
  // Accepted one after another: what the last one says has come, once it is answered.
  const last = sockets.at(-1)
  last?.write('GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n')
  const first = await new Promise<string>((resolve) => {
    last?.once('data', (bytes) => resolve(bytes.toString().split('\r\n')[0] ?? ''))
  })

  await expect(fetch(url)).rejects.toThrow()

  expect(first).toBe('HTTP/1.1 200 OK')
  for (const socket of sockets) socket.destroy()
})

test('what goes wrong is in the log of the host and not in the answer', async () => {
  const secret = '/var/lib/runner-mesh/x'
  const { url } = await serve(
    { listen: '127.0.0.1:0' },
    { text: () => Promise.reject(new Error(`EACCES ${secret}`)) }
  )

  const answer = await fetch(url)

  expect(answer.status).toBe(500)
  expect(await answer.text()).not.toContain(secret)
})

test('the owner gets the same on the local socket, where no port is open', async () => {
  const socketPath = join(await temporaryFolder(), 'agent.sock')
  const parts = controlParts({ metrics: counted() })
  const server = new ControlServer(parts, { socket: socketPath, log: silentLog() })
  await server.start()

  const text = await new Promise<string>((resolve, reject) => {
    const asked = request({ socketPath, path: '/metrics' }, (answer) => {
      let all = ''
      answer.on('data', (bytes: Buffer) => {
        all += bytes.toString()
      })
      answer.on('end', () => resolve(all))
    })
    asked.on('error', reject)
    asked.end()
  })
  await server.stop()

  expect(seriesValue(readExposition(text), 'runner_mesh_answer')).toBe(42)
})
