#!/usr/bin/env node
/*
 * The post-receive hook of a bare Git repository: tells a Runner Mesh gateway what was pushed, one
 * request a ref, signed as Standard Webhooks. Needs Node 18 or later and nothing else; link or copy
 * it to REPOSITORY.git/hooks/post-receive and make it executable.
 *
 * Settings, each from `git config` of the repository or from a file `runner-mesh.env` beside the
 * hook (git config wins):
 *
 *   runner-mesh.url         MESH_HOOK_URL          http://127.0.0.1:8471/hooks/git
 *   runner-mesh.repository  MESH_HOOK_REPOSITORY   name of the repository in gateway.yaml
 *   runner-mesh.secretFile  MESH_HOOK_SECRET_FILE  file of mode 0600 with the whsec_... secret
 *
 * It always exits 0: the push has already happened, and a gateway that is down must not look like a
 * failed push. What went wrong stands on standard error, which git shows as `remote: ...`.
 */
'use strict'

/** Milliseconds that a push may wait for the gateway, all refs together. */
const PATIENCE_MS = 10_000
/** Milliseconds of one request. */
const REQUEST_MS_MAX = 4_000
/** Pauses between tries, milliseconds: a gateway that restarts is back within them. */
const PAUSES_MS = [250, 750, 2_000]
/** Requests side by side. */
const PARALLEL_MAX = 4
/** Refs told of one push; a first mirror push may have many thousands. */
const REFS_MAX = 500
/** Bytes of standard input: REFS_MAX lines fit many times. */
const INPUT_BYTES_MAX = 16_777_216
const SECRET_BYTES_MAX = 4_096

// Imported here, not at the top: as `hooks/post-receive`, without .mjs, Node 18 and 20 take this
// file for CommonJS, where a static import is an error.
async function load() {
  const [childProcess, crypto, fs, path] = await Promise.all([
    import('node:child_process'),
    import('node:crypto'),
    import('node:fs'),
    import('node:path')
  ])
  return { childProcess, crypto, fs, path }
}

function say(text) {
  // One line each: what others say must not steer the terminal of whoever pushed.
  process.stderr.write(`runner-mesh: ${text.replaceAll(/\p{Cc}+/gu, ' ')}\n`)
}

/** Something that whoever runs this repository has to put right. */
class SettingsError extends Error {}

function readSettings({ childProcess, fs, path }) {
  const hookFile = path.resolve(process.argv[1] ?? 'post-receive')
  const file = path.join(path.dirname(hookFile), 'runner-mesh.env')
  const values = { ...readEnvironmentFile(fs, file), ...readGitConfig(childProcess) }
  const { url, repository, secretFile } = values
  for (const [name, value] of Object.entries({ url, repository, secretFile })) {
    if (!value) {
      throw new SettingsError(`runner-mesh.${name} is not set: git config runner-mesh.${name} ...`)
    }
  }
  if (!/^https?:\/\/[^/]/.test(url)) {
    throw new SettingsError(`${url} is no http or https URL: git config runner-mesh.url ...`)
  }
  return { url, repository, secretFile: path.resolve(secretFile) }
}

function readGitConfig(childProcess) {
  const args = ['config', '--null', '--get-regexp', '^runner-mesh\\.']
  const found = childProcess.spawnSync('git', args, { encoding: 'utf8', timeout: REQUEST_MS_MAX })
  const values = {}
  for (const entry of (found.stdout ?? '').split('\0')) {
    const [key = '', ...rest] = entry.split('\n')
    const value = rest.join('\n')
    // Git gives the last part of a key in lower case.
    if (key === 'runner-mesh.url') values.url = value
    if (key === 'runner-mesh.repository') values.repository = value
    if (key === 'runner-mesh.secretfile') values.secretFile = value
  }
  return values
}

function readEnvironmentFile(fs, file) {
  const names = {
    MESH_HOOK_URL: 'url',
    MESH_HOOK_REPOSITORY: 'repository',
    MESH_HOOK_SECRET_FILE: 'secretFile'
  }
  const values = {}
  let text = ''
  try {
    text = fs.readFileSync(file, 'utf8')
  } catch {
    return values
  }
  for (const line of text.split('\n')) {
    const match = /^\s*(?:export\s+)?([A-Z_]+)\s*=\s*(.*?)\s*$/.exec(line)
    const name = names[match?.[1] ?? '']
    if (name !== undefined) values[name] = match[2].replace(/^(["'])(.*)\1$/, '$2')
  }
  return values
}

/** The key's bytes. The open file is looked at, so that nobody can swap it in between. */
function readKey(fs, file) {
  let handle
  try {
    handle = fs.openSync(file, 'r')
  } catch (error) {
    throw new SettingsError(`cannot read the secret ${file} (${error.code})`)
  }
  try {
    const { mode, size } = fs.fstatSync(handle)
    if ((mode & 0o077) !== 0) {
      const found = (mode & 0o777).toString(8).padStart(4, '0')
      throw new SettingsError(`${file} has mode ${found}, 0600 is needed: chmod 600 ${file}`)
    }
    const text = size > SECRET_BYTES_MAX ? '' : fs.readFileSync(handle, 'utf8').trim()
    const encoded = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text)?.[1]
    if (encoded === undefined) {
      throw new SettingsError(`${file} holds no secret: it must be whsec_ and base64`)
    }
    return Buffer.from(encoded, 'base64')
  } finally {
    fs.closeSync(handle)
  }
}

/** `BEFORE AFTER REF` lines, as git writes them to the hook. */
async function readUpdates() {
  let text = ''
  process.stdin.setEncoding('utf8')
  for await (const chunk of process.stdin) {
    text += chunk
    if (text.length > INPUT_BYTES_MAX) break
  }
  return text.split('\n').flatMap((line) => {
    const match = /^([0-9a-f]+) ([0-9a-f]+) (refs\/.+)$/.exec(line)
    return match === null ? [] : [{ before: match[1], after: match[2], ref: match[3] }]
  })
}

/** What runs of a tag with a message is the commit behind it, and not the tag itself. */
function commitOf({ childProcess }, { ref, after }) {
  if (!ref.startsWith('refs/tags/') || /^0+$/.test(after)) return after
  const args = ['rev-parse', '--verify', '--quiet', `${after}^{commit}`]
  const found = childProcess.spawnSync('git', args, { encoding: 'utf8', timeout: REQUEST_MS_MAX })
  return found.status === 0 ? found.stdout.trim() : after
}

function pusher() {
  const { GL_USERNAME, REMOTE_USER, GIT_PUSHER, USER, LOGNAME } = process.env
  return (GIT_PUSHER || GL_USERNAME || REMOTE_USER || USER || LOGNAME || '').slice(0, 200)
}

function signedHeaders(crypto, key, id, body) {
  const seconds = Math.floor(Date.now() / 1000)
  const mac = crypto.createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')
  return {
    'content-type': 'application/json',
    'user-agent': 'runner-mesh-post-receive/1',
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    'webhook-signature': `v1,${mac}`
  }
}

/** A proxy in front of the gateway may answer in words of its own. */
function parseAnswer(text) {
  try {
    return JSON.parse(text) ?? {}
  } catch {
    return {}
  }
}

/** One request. Gives what the gateway said, or `retry` with the cause. */
async function post(parts, id, body, endMs) {
  const limitMs = Math.max(1, Math.min(REQUEST_MS_MAX, endMs - Date.now()))
  try {
    const reply = await fetch(parts.settings.url, {
      method: 'POST',
      headers: signedHeaders(parts.crypto, parts.key, id, body),
      body,
      // Not followed: a redirect would take the signed body to somebody else.
      redirect: 'manual',
      signal: AbortSignal.timeout(limitMs)
    })
    const answer = parseAnswer(await reply.text())
    const retry = reply.status >= 500 || reply.status === 429 || reply.status === 408
    const cause = `${reply.status} ${answer.detail ?? reply.statusText}`.trim()
    return { taken: reply.status === 202, retry, cause, answer }
  } catch (error) {
    const cause = error.cause?.code ?? error.cause?.message ?? error.message
    return { taken: false, retry: true, cause, answer: {} }
  }
}

async function announce(parts, update, endMs) {
  const { repository } = parts.settings
  const time = new Date().toISOString()
  const after = commitOf(parts.modules, update)
  const body = JSON.stringify({ repository, ...update, after, pusher: pusher(), time })
  // The same id for every try: a gateway that took the first one says so and starts nothing again.
  const id = `msg_${parts.crypto.randomUUID()}`
  for (const pauseMs of [...PAUSES_MS, undefined]) {
    const result = await post(parts, id, body, endMs)
    const over = pauseMs === undefined || Date.now() + pauseMs >= endMs
    if (result.taken || !result.retry || over) return report(parts, update, result)
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

function report(parts, update, result) {
  const shown = `${update.ref.replace(/^refs\/heads\//, '')} ${update.after.slice(0, 7)}`
  const { verdict, run, reason } = result.answer
  if (result.taken) {
    const detail = [run && `run ${run}`, reason].filter(Boolean).join(', ')
    return say(`${shown} ${verdict}${detail ? `: ${detail}` : ''}`)
  }
  say(`${shown} was pushed, but the gateway at ${parts.settings.url} did not take it`)
  say(`  cause: ${result.cause}`)
  // A ref may hold characters that a shell obeys; such a one is better not pasted.
  if (!/^[\w./-]+$/.test(update.ref)) return
  const again = `echo ${update.before} ${update.after} ${update.ref} | hooks/post-receive`
  say(`  tell it again, in the repository's folder: ${again}`)
}

async function main() {
  const endMs = Date.now() + PATIENCE_MS
  // Read first, whatever comes: git would be stopped by a pipe that nobody empties.
  const updates = await readUpdates()
  const modules = await load()
  const settings = readSettings(modules)
  const key = readKey(modules.fs, settings.secretFile)
  const parts = { settings, key, modules, crypto: modules.crypto }
  const told = updates.slice(0, REFS_MAX)
  if (told.length < updates.length) {
    say(`${updates.length} refs were pushed, the gateway is told of the first ${told.length}`)
  }
  const queue = told[Symbol.iterator]()
  const worker = async () => {
    for (const update of queue) await announce(parts, update, endMs)
  }
  await Promise.all(Array.from({ length: PARALLEL_MAX }, worker))
}

main()
  .catch((error) => {
    const known = error instanceof SettingsError
    say(`the gateway was not told of this push: ${known ? error.message : error.stack}`)
  })
  .finally(() => {
    process.exitCode = 0
  })
