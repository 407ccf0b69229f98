import { expect, test } from 'vitest'
import { groupsByList } from '../../../../agent/execute/gpu/access-list.ts'
import { type GpuEngine, GpuPassage } from '../../../../agent/execute/gpu/gpu-passage.ts'
import { toolRunner } from '../../../../agent/probe/gpu/tools.ts'
import { GpuHostTree } from '../../../support/gpu-host.ts'
import { intelHost } from '../../../support/gpu-hosts.ts'

const OWNER = 109

async function groups(said: string, code = 0) {
  const host = await GpuHostTree.make()
  await host.tool('getfacl', `cat <<'EOF'\n${said}\nEOF\nexit ${code}`)
  const run = toolRunner({ folders: [host.tools] })
  return await groupsByList(run, '/dev/dri/renderD128', OWNER)
}

const PLAIN = 'user::rw-\ngroup::rw-\nother::---\n'
const NAMED = 'user::rw-\nuser:1000:rw-\ngroup::r--\ngroup:100109:rw-\nmask::rw-\nother::---\n'
const MASKED = 'user::rw-\ngroup::rw-\t\t#effective:r--\ngroup:44:rwx\t#effective:r--\nmask::r--\n'
const LATE = 'group::rw-\ngroup:44:rw-\nmask::---\n'

test.each<[string, string, readonly number[] | undefined]>([
  ['of its own group, without a list', PLAIN, [OWNER]],
  ['of a named one alone, its own being kept from writing', NAMED, [100_109]],
  ['of nobody, where the mask keeps all from writing', MASKED, []],
  ['of nobody, where the mask comes last', LATE, []],
  ['that nothing is known of, where it says something else', 'no such option\n', undefined],
  ['that nothing is known of, by names in place of numbers', 'group:render:rw-\n', undefined]
])('a node is %s', async (_whose, said, expected) => {
  expect(await groups(said)).toEqual(expected)
})

test('nothing is known where the tool fails or is not here', async () => {
  expect(await groups(PLAIN, 1)).toBeUndefined()
  const run = toolRunner({ folders: [] })
  expect(await groupsByList(run, '/dev/dri/renderD128', OWNER)).toBeUndefined()
})

test('on an engine that maps users a GPU is handed over by a group of its list', async () => {
  const host = await intelHost()
  await host.tool('getfacl', `printf '%s' '${NAMED}'`)
  const run = toolRunner({ folders: [host.tools] })
  const nodeAt = async () => ({ isDevice: true, gid: 0, mode: 0o660 })
  const passage = new GpuPassage({ run, nodeAt })
  const engine = { cdiDevices: [], cdiFolders: [], security: new Set<string>() }
  const remapped: GpuEngine = {
    ...engine,
    security: new Set(['userns']),
    rootDir: '/var/lib/docker/100000.100000'
  }
  const reading = await host.gpus().read()

  const parts = async (on: GpuEngine) => await passage.judged(reading, on)
  expect((await parts(remapped)).devices).toMatchObject([{ health: 'ok' }])
  expect((await parts({ ...engine, rootDir: '/' })).devices).toMatchObject([
    { health: 'unhealthy' }
  ])
  const leased = reading.devices.map((device) => ({ device }))
  const give = await passage.parts('J.0', leased, remapped)
  expect(give({ isTrusted: true, runtime: undefined }).groups).toEqual(['109'])
})
