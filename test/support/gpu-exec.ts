import '../../protocol/host/node20.ts'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadAgentSettings } from '../../agent/config.ts'
import { chosenJob } from '../../agent/exec/chosen-job.ts'
import { execute } from '../../agent/exec/exec.ts'
import { localPlace } from '../../agent/exec/local-place.ts'
import { codeOf } from '../../protocol/core/errors.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { systemRandom } from '../../protocol/host/random.ts'

/* `agent exec build` on a host whose GPUs are those of a folder: one line of JSON says how it went. */

const text = { type: 'string', default: '' } as const
const { values } = parseArgs({ options: { root: text, tools: text } })
const signal = new AbortController().signal
const file = '.runner-mesh.yml'
const settings = await loadAgentSettings({
  file: join(values.root, 'agent.yaml'),
  fileRequired: false,
  flags: {},
  env: process.env
})
const place = await localPlace('.', signal)
const event = {
  ...{ branch: 'main', tag: '', ref: 'refs/heads/main', commit: '0'.repeat(40), number: '' },
  ...{ labels: [], author: '', inputs: {}, changedPaths: undefined }
}
const wish = { job: 'build', matrix: {}, kind: undefined, event }
const chosen = chosenJob(await readFile(file), file, wish)
if (chosen.kind !== 'job') throw new Error(JSON.stringify(chosen.errors))
const lines: string[] = []
const log = (step: number, _stream: string, line: string): void => {
  if (step > 0) lines.push(line)
}
const gpuPlace = { root: values.root, tools: [values.tools], useEveryMs: 1_000 }
const parts = { settings: settings.values, clock: systemClock(), random: systemRandom(), signal }
const end = await execute({ ...parts, log, gpuPlace }, { ...chosen, place, secrets: [] }).then(
  ({ state }) => ({ state, lines }),
  (error: unknown) => ({ code: codeOf(error), message: String(error), lines })
)
process.stdout.write(`${JSON.stringify(end)}\n`)
