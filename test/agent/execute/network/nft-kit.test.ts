import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { layNftKit } from '../../../../agent/execute/network/nft-kit.ts'

const run = promisify(execFile)

let dir: string

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'runner-mesh-kit-'))
})

afterAll(() => rm(dir, { recursive: true, force: true }))

test('a copy of nft runs with nothing but what is in its folder', async () => {
  const kit = await layNftKit(dir)
  const args = ['--inhibit-cache', '--library-path', kit.dir, join(kit.dir, 'nft'), '--version']
  const { stdout } = await run(join(kit.dir, kit.loader), args, { env: {} })
  expect(stdout).toMatch(/^nftables v/)

  // The loader itself says where it takes each library from.
  const traced = { env: { LD_TRACE_LOADED_OBJECTS: '1' } }
  const listed = await run(join(kit.dir, kit.loader), args.slice(0, -1), traced)
  const places = [...listed.stdout.matchAll(/=> (\S+) \(/g)].map(([, place = '']) => place)
  expect(places.length).toBeGreaterThan(0)
  expect(places.filter((place) => !place.startsWith(kit.dir))).toEqual([])
})

test('it is laid anew each time, and nothing else is left', async () => {
  const first = await layNftKit(dir)
  const second = await layNftKit(dir)
  expect(second).toEqual(first)
  expect(await readdir(dir)).toHaveLength(1)
})
