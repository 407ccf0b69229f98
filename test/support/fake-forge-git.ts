import { execFileSync, spawn } from 'node:child_process'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { FakeWorld } from './fake-forge-world.ts'

/*
 * Smart HTTP as every forge serves it: git's own `git http-backend` behind it, with basic
 * authentication in front of private repositories.
 */

const BACKEND = join(
  execFileSync('git', ['--exec-path'], { encoding: 'utf8' }).trim(),
  'git-http-backend'
)
const SERVICE = /^\/(.+?)(?:\.git)?\/(info\/refs|git-upload-pack)$/

/** The path of the repository that a git request is for; undefined for every other request. */
export function gitPathOf(url: URL): string | undefined {
  return SERVICE.exec(url.pathname)?.[1]
}

export async function serveGit(
  world: FakeWorld,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL
): Promise<void> {
  const [, path = '', service = ''] = SERVICE.exec(url.pathname) ?? []
  const repository = world.find(path)
  const standing = repository === undefined ? 'stranger' : accessOf(world, request, path)
  if (repository?.isPrivate !== false && standing === 'anonymous') {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="forge"' })
    response.end()
    return
  }
  if (repository === undefined || (repository.isPrivate && standing !== 'reader')) {
    response.writeHead(404)
    response.end('Repository not found')
    return
  }
  const backend = spawn(BACKEND, {
    env: {
      PATH: process.env['PATH'],
      GIT_PROJECT_ROOT: repository.dir,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: `/${service}`,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      REMOTE_ADDR: '127.0.0.1'
    }
  })
  request.pipe(backend.stdin)
  backend.stdin.on('error', () => undefined)
  const parts: Buffer[] = []
  for await (const part of backend.stdout) parts.push(part as Buffer)
  answer(response, Buffer.concat(parts))
}

/** What a CGI program prints: headers, an empty line, the body. */
function answer(response: ServerResponse, output: Buffer): void {
  const end = output.indexOf('\r\n\r\n')
  const lines = output.subarray(0, end).toString('latin1').split('\r\n')
  const headers = lines.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const
  })
  const status = Number(headers.find(([name]) => name === 'status')?.[1].split(' ')[0] ?? 200)
  response.writeHead(status, Object.fromEntries(headers.filter(([name]) => name !== 'status')))
  response.end(output.subarray(end + 4))
}

/** By a token as the password, whatever the user is called, as forges take it. */
function accessOf(
  world: FakeWorld,
  request: IncomingMessage,
  path: string
): 'anonymous' | 'stranger' | 'reader' {
  const basic = /^Basic (.+)$/.exec(request.headers.authorization ?? '')?.[1]
  if (basic === undefined) return 'anonymous'
  const password = Buffer.from(basic, 'base64').toString('utf8').split(':').slice(1).join(':')
  const token = world.tokens.get(password)
  if (token === undefined) return 'anonymous'
  const isFor = token.paths === undefined || token.paths.includes(path)
  return token.scopes.has('read') && isFor ? 'reader' : 'stranger'
}
