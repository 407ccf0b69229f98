import { execFile } from 'node:child_process'
import { chmod, mkdtemp, open, readdir, rm, stat, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
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

test('laid again, it leaves the files that holders have mounted', async () => {
  const first = await layNftKit(dir)
  const before = await inodes(first.dir)
  expect(await layNftKit(dir)).toEqual(first)
  expect(await inodes(first.dir)).toEqual(before)
  expect(before.size).toBeGreaterThan(2)
  expect(await readdir(dir)).toHaveLength(1)
})

test('laid by several at once, it is one, and stays', async () => {
  const parent = join(dir, 'race')
  const seen = async () => {
    const kit = await layNftKit(parent)
    return { kit, files: await inodes(kit.dir) }
  }
  const [first, ...others] = await Promise.all([seen(), seen(), seen(), seen()])
  for (const other of others) expect(other).toEqual(first)
  expect(await readdir(parent)).toEqual([basename(first?.kit.dir ?? '')])
})

test('one with less in it than it had is laid again, and whoever has it mounted keeps it', async () => {
  const parent = join(dir, 'crash')
  const kit = await layNftKit(parent)
  await chmod(join(kit.dir, 'nft'), 0o755)
  await truncate(join(kit.dir, 'nft'), 100)
  const mounted = await open(kit.dir)
  try {
    expect(await layNftKit(parent)).toEqual(kit)
    expect((await stat(join(kit.dir, 'nft'))).size).toBeGreaterThan(100)
    expect((await stat(`/proc/self/fd/${mounted.fd}/nft`)).size).toBe(100)
  } finally {
    await mounted.close()
  }
})

/** Of the folder and of each file in it. */
async function inodes(folder: string): Promise<ReadonlyMap<string, number>> {
  const names = ['.', ...(await readdir(folder))]
  const found = names.map(async (name) => [name, (await stat(join(folder, name))).ino] as const)
  return new Map(await Promise.all(found))
}
