import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { PulledImages } from '../../../agent/execute/pulled-images.ts'
import { PULLED_IMAGES_MAX } from '../../../protocol/core/image-limits.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

const HOUR_MS = 3_600_000

let path: string
let clock: FakeClock
beforeEach(async () => {
  path = join(await temporaryFolder(), 'images.json')
  clock = new FakeClock()
})

const open = () => PulledImages.open({ clock, log: silentLog() }, path)
const image = (reference: string, platform = 'linux/amd64') => {
  return { reference, platform, digest: 'sha256:d', imageId: `sha256:${reference}${platform}` }
}

test('what was pulled is known to the next process', async () => {
  const first = await open()
  await first.add(image('a'))
  await first.add(image('a', 'linux/arm64'))

  const second = await open()
  expect(second.find('a', 'linux/amd64')).toMatchObject(image('a'))
  expect(second.find('a', 'linux/arm64')).toMatchObject(image('a', 'linux/arm64'))
  expect(second.find('b', 'linux/amd64')).toBeUndefined()
})

test('a tag that moved is its newer image; the older one stays known, to be removed', async () => {
  const book = await open()
  await book.add({ ...image('a'), imageId: 'old' })
  await book.add({ ...image('a'), imageId: 'new' })

  expect(book.find('a', 'linux/amd64')?.imageId).toBe('new')
  expect(book.all.map(({ imageId }) => imageId)).toEqual(['old', 'new'])
})

test('an image with several names is one, as fresh as its latest use', async () => {
  const book = await open()
  for (const [reference, imageId] of Object.entries({ 'a:1': 'x', 'b:1': 'y', 'a:latest': 'x' })) {
    await book.add({ ...image(reference), imageId })
    await clock.advance(HOUR_MS)
  }
  expect(book.all.map(({ imageId }) => imageId)).toEqual(['y', 'x'])

  await book.forget('x')
  expect(book.find('a:1', 'linux/amd64')).toBeUndefined()
})

test('the least recently used comes first', async () => {
  const book = await open()
  for (const name of ['a', 'b', 'c']) {
    await book.add(image(name))
    await clock.advance(HOUR_MS)
  }
  await book.used('a', 'linux/amd64')

  expect(book.all.map(({ reference }) => reference)).toEqual(['b', 'c', 'a'])
  expect((await open()).all.map(({ reference }) => reference)).toEqual(['b', 'c', 'a'])
})

test('a pull that was begun and not ended is known to the next process', async () => {
  const book = await open()
  await book.begin('a@sha256:1')
  await book.begin('b@sha256:2')
  await book.end('b@sha256:2', image('b'))

  const next = await open()
  expect(['a@sha256:1', 'b@sha256:2'].map((exact) => next.isFetching(exact))).toEqual([true, false])
  expect(next.find('b', 'linux/amd64')).toBeDefined()
  await next.end('a@sha256:1', undefined)
  expect((await open()).isFetching('a@sha256:1')).toBe(false)
})

test('a second use within the hour costs no write', async () => {
  const book = await open()
  await book.add(image('a'))
  const before = await readFile(path, 'utf8')
  await clock.advance(HOUR_MS - 1)
  await book.used('a', 'linux/amd64')
  expect(await readFile(path, 'utf8')).toBe(before)

  await clock.advance(1)
  await book.used('a', 'linux/amd64')
  expect(await readFile(path, 'utf8')).not.toBe(before)
})

test('writes that cross leave everything in the file', async () => {
  const book = await open()
  await Promise.all(['a', 'b', 'c'].map((name) => book.add(image(name))))
  await Promise.all([book.forget(image('b').imageId), book.add(image('d'))])

  const names = (await open()).all.map(({ reference }) => reference)
  expect(names.toSorted()).toEqual(['a', 'c', 'd'])
})

test.each(['', '{', '{"version":2,"images":[],"fetching":[]}', '{"version":1,"images":[{}]}'])(
  'a file that cannot be understood counts as none: %s',
  async (text) => {
    await writeFile(path, text)
    const book = await open()

    expect(book.all).toEqual([])
    await book.add(image('a'))
    expect((await open()).all).toHaveLength(1)
  }
)

test('what was used longest ago is forgotten where there is too much', async () => {
  const images = Array.from({ length: PULLED_IMAGES_MAX }, (_, index) => {
    return { ...image(`i${index}`), usedAtMs: index }
  })
  await writeFile(path, JSON.stringify({ version: 1, images, fetching: [] }))
  const book = await open()
  await book.add(image('new'))

  expect(book.all).toHaveLength(PULLED_IMAGES_MAX)
  expect(book.find('i0', 'linux/amd64')).toBeUndefined()
  expect(book.find('i1', 'linux/amd64')).toBeDefined()
  expect(book.all.at(-1)?.reference).toBe('new')
})

test('an image that is being pulled is so by each of its names at the hub', async () => {
  const book = await open()
  const digest = `sha256:${'d'.repeat(64)}`
  await book.begin(`team/private@${digest}`)

  for (const name of ['team/private', 'docker.io/team/private', 'index.docker.io/team/private']) {
    expect(book.isFetching(`${name}@${digest}`)).toBe(true)
  }
  expect(book.isFetching(`other.example/team/private@${digest}`)).toBe(false)
})

test('names that jobs had are told by their latest use, each once, to the next process too', async () => {
  const book = await open()
  for (const name of ['a', 'b', 'c']) {
    await book.add(image(name))
    await clock.advance(HOUR_MS)
  }
  await book.add(image('a', 'linux/arm64'))
  expect(book.names).toEqual(['a', 'c', 'b'])
  expect((await open()).names).toEqual(['a', 'c', 'b'])
})
