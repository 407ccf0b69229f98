import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { GitError, git } from '../../../protocol/host/git.ts'

let dir = ''
let server: Server
let url = ''
let asked: string[] = []
let answer: (request: IncomingMessage, response: ServerResponse) => void

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rm-git-'))
  asked = []
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    request.resume()
    answer(request, response)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/team/kernel.git`
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((closed) => server.close(closed))
  await rm(dir, { recursive: true, force: true })
})

const FLUSH = '0000'

/** A line as Git's protocols frame it. */
function packet(text: string): string {
  return `${(text.length + 5).toString(16).padStart(4, '0')}${text}\n`
}

/** What a forge says first: that it speaks version 2 and answers questions by POST. */
function introduce(response: ServerResponse): void {
  const service = `${packet('# service=git-upload-pack')}${FLUSH}`
  const abilities = ['version 2', 'ls-refs', 'fetch=shallow', 'object-format=sha1']
  response.setHeader('content-type', 'application/x-git-upload-pack-advertisement')
  response.end(`${service}${abilities.map(packet).join('')}${FLUSH}`)
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(307, { location }).end()
}

/** A repository whose own settings would follow a forge wherever it points. */
async function trustingRepository(): Promise<string> {
  await git(['init', '--quiet', '--bare', dir])
  await git(['config', 'http.followRedirects', 'true'], { cwd: dir })
  return dir
}

test('a forge cannot point git elsewhere in the middle of a fetch', async () => {
  answer = (request, response) => {
    if (request.method === 'GET') introduce(response)
    else redirect(response, '/elsewhere/git-upload-pack')
  }
  const cwd = await trustingRepository()

  await expect(git(['ls-remote', url], { cwd })).rejects.toBeInstanceOf(GitError)

  expect(asked).toEqual([
    'GET /team/kernel.git/info/refs?service=git-upload-pack',
    'POST /team/kernel.git/git-upload-pack'
  ])
})

test('a repository that has moved is found where its forge says first', async () => {
  answer = (request, response) => {
    if (request.url?.startsWith('/team/')) {
      return redirect(response, '/new/kernel.git/info/refs?service=git-upload-pack')
    }
    if (request.method === 'GET') return introduce(response)
    response.setHeader('content-type', 'application/x-git-upload-pack-result')
    return response.end(`${packet(`${'a'.repeat(40)} refs/heads/main`)}${FLUSH}`)
  }
  const cwd = await trustingRepository()

  const { stdout } = await git(['ls-remote', url], { cwd })

  expect(Buffer.from(stdout).toString()).toBe(`${'a'.repeat(40)}\trefs/heads/main\n`)
  expect(asked.at(-1)).toBe('POST /new/kernel.git/git-upload-pack')
})
