import { gpuRequest } from '../../protocol/pipeline/gpu.ts'
import { resourcesOf } from '../../protocol/pipeline/jobs.ts'
import { placeOf, rootOf } from '../forge/forge-place.ts'
import { isRunnerForge } from '../forge/runner-api.ts'
import type { Provision, RunnerEntry } from './provision.ts'
import type { ProvisionSettings, RunnerSettings } from './provision-settings.ts'

interface Declared {
  readonly forge: string
  readonly url: string
  readonly api?: string | undefined
  readonly provision?: ProvisionSettings | undefined
}

/** From what gateway.yaml says to what slots are made of; undefined where it says nothing. */
export function loadProvision({ forge, url, api, provision }: Declared): Provision | undefined {
  if (provision === undefined || !isRunnerForge(forge)) return undefined
  const { scope, runner_group: group, forks, runners } = provision
  return {
    forge,
    scope,
    group,
    forks,
    url: provision.url ?? rootOf(placeOf(forge, url, api)),
    runners: runners.map(runnerEntry)
  }
}

function runnerEntry(settings: RunnerSettings): RunnerEntry {
  const { labels, image, program, slots, platform, isolation, network, timeout, idle } = settings
  return {
    labels,
    image,
    program,
    slotsMax: slots,
    resources: resourcesOf(settings),
    gpu: settings.resources?.gpu && gpuRequest(settings.resources.gpu),
    platform,
    hostLabels: settings.host_labels ?? {},
    isolation,
    network,
    timeoutMs: timeout,
    idleMs: idle
  }
}
