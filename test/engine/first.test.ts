import { afterAll, beforeAll, expect, test } from 'vitest'
import { AttemptRig } from '../support/attempt-rig.ts'

let rig: AttemptRig
beforeAll(async () => {
  rig = await AttemptRig.open()
})
afterAll(async () => {
  await rig.close()
})

test('first', async () => {
  for (let i = 0; i < 5; i++) {
    const a = await rig.run({ steps: [{ run: 'echo hello; ls -la; id; cat README.md; exit 7' }] })
    console.log(
      a.result,
      a.lines.map((l) => l.text),
      [...a.phases]
    )
    expect(await rig.left()).toEqual([])
  }
})
