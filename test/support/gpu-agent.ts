import '../../protocol/host/node20.ts'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadAgentSettings } from '../../agent/config.ts'
import { runDaemon } from '../../agent/daemon.ts'
import { statePaths } from '../../protocol/host/paths.ts'

/* `agent start` on a host whose GPUs are those of a folder, with tools of another. */

/** Between two looks at how GPUs are used: the jobs of a test are short. */
const USE_EVERY_MS = 250

const text = { type: 'string', default: '' } as const
const { values } = parseArgs({ options: { state: text, root: text, tools: text } })
const paths = statePaths('agent', { state: values.state }, {})
const settings = await loadAgentSettings({
  file: join(values.state, 'agent.yaml'),
  fileRequired: true,
  flags: {},
  env: process.env
})
const gpus = { root: values.root, tools: [values.tools], useEveryMs: USE_EVERY_MS }
await runDaemon({ paths, settings: settings.values, gpus })
