import { expect, test } from 'vitest'
import { RepositoryNumbers } from '../../../gateway/forge/repository-numbers.ts'
import type { Repository } from '../../../gateway/repositories.ts'
import { FORGE_NUMBER_EVERY_MS } from '../../../protocol/core/forge-limits.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { forgeRig } from '../../support/forge-rig.ts'
import { repositoryOf } from '../../support/gateway-rig.ts'

const log = silentLog()

async function rigOf() {
  const rig = await forgeRig('gitea')
  const clock = new FakeClock()
  const numbers = new RepositoryNumbers({ apis: rig.apis, clock, log })
  const entry = { ...repositoryOf('gitea', 'team/kernel', { url: rig.holder.url }), ...rig.holder }
  const asked = () => rig.forge.seen.filter(({ path }) => path.endsWith('/team/kernel')).length
  return { ...rig, clock, numbers, entry: entry as Repository, asked }
}

test('the number that the forge says is good, and it is asked once for many deliveries', async () => {
  const { numbers, entry, repository, asked } = await rigOf()
  const id = String(repository.id)

  const problems = await Promise.all(Array.from({ length: 20 }, () => numbers.problem(entry, id)))

  expect(problems).toEqual(Array.from({ length: 20 }, () => undefined))
  expect(await numbers.problem(entry, id)).toBeUndefined()
  expect(asked()).toBe(1)
})

test('another number is refused with both, and the forge is not asked for each of a flood', async () => {
  const { numbers, entry, repository, clock, asked } = await rigOf()

  for (let times = 0; times < 10; times += 1) {
    const problem = await numbers.problem(entry, '999')
    expect(problem).toContain('number 999')
    expect(problem).toContain(`says ${repository.id}`)
  }
  expect(asked()).toBe(1)
  await clock.advance(FORGE_NUMBER_EVERY_MS)
  await numbers.problem(entry, '999')
  expect(asked()).toBe(2)
})

test('a repository that was made anew has its new number at once', async () => {
  const { numbers, entry, repository } = await rigOf()
  numbers.learn(entry.url, '7')

  expect(await numbers.problem(entry, String(repository.id))).toBeUndefined()
})

test('where nobody tells, the number of another entry of that host is refused, any other taken', async () => {
  const clock = new FakeClock()
  const numbers = new RepositoryNumbers({ apis: { of: () => undefined }, clock, log })
  const entry = (name: string, host: string) =>
    repositoryOf('gitea', name, { url: `https://${host}/${name}.git` })
  numbers.learn('https://git.example/team/site.git', '8')

  const kernel = entry('team/kernel', 'git.example')
  expect(await numbers.problem(kernel, '8')).toContain('https://git.example/team/site.git')
  expect(await numbers.problem(kernel, '9')).toBeUndefined()
  expect(await numbers.problem(entry('team/kernel', 'other.example'), '8')).toBeUndefined()
})

test('bare Git has no numbers', async () => {
  const { numbers, entry, asked } = await rigOf()

  expect(await numbers.problem(entry, undefined)).toBeUndefined()
  expect(asked()).toBe(0)
})
