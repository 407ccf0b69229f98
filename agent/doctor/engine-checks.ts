import { causeOf, codeOf } from '../../protocol/core/errors.ts'
import type { AgentSettings } from '../config.ts'
import { Engine } from '../execute/engine.ts'
import type { EngineInfo, NetworkView } from '../execute/engine-types.ts'
import { nvidiaDefault } from '../probe/probe.ts'
import { type Finding, failed, note, ok, warning } from './finding.ts'

/** How long the engine may take to say what it is. */
export const ENGINE_MS_MAX = 5_000

const CODE = 'ENGINE_SETTING'
const ICC = 'com.docker.network.bridge.enable_icc'

/** Whether it answers, and which of its settings the CIS benchmark would have otherwise. */
export async function checkEngine(settings: AgentSettings | Error): Promise<readonly Finding[]> {
  if (settings instanceof Error) {
    const facts = { found: settings.message, wanted: 'settings that can be read' }
    return [failed('settings', 'CONFIG_INVALID', { ...facts, fix: 'mend the settings file' })]
  }
  try {
    const engine = Engine.local(settings.engine, ENGINE_MS_MAX)
    const [info, networks] = await Promise.all([engine.info(), engine.networks({})])
    const here = ok('engine', `${info.version} at ${engine.socket}`)
    return [here, ...runtimeFindings(info), ...engineAdvice(info, networks)]
  } catch (error) {
    const code = codeOf(error) ?? 'ENGINE_UNREACHABLE'
    const fix = 'start the container engine, or name its socket with `engine` in agent.yaml'
    return [
      failed('engine', code, { found: causeOf(error), wanted: 'an engine that answers', fix })
    ]
  }
}

/** An engine that hands GPUs to whoever does not say that it wants none. */
function runtimeFindings(info: EngineInfo): readonly Finding[] {
  return nvidiaDefault(info).map(({ found, fix }) => {
    return warning('engine', 'HOST_RUNTIME', { found, wanted: 'default runtime runc', fix })
  })
}

/**
 * Items of section 2 of the CIS Docker Benchmark that an engine tells of itself. Jobs are made as
 * they are whatever it says here: this is for their neighbours, and for what a hole would give.
 */
export function engineAdvice(
  { security, liveRestore }: Pick<EngineInfo, 'security' | 'liveRestore'>,
  networks: readonly Pick<NetworkView, 'name' | 'options'>[]
): readonly Finding[] {
  const isMapped = security.has('userns') || security.has('rootless')
  const plain = networks.find(({ name }) => name === 'bridge')
  const found: readonly (readonly [boolean, string, string, string])[] = [
    [
      plain?.options[ICC] !== 'true',
      'containers on the default bridge reach one another',
      '2.2: they do not',
      'set `"icc": false`; jobs are never on that bridge'
    ],
    [
      isMapped,
      'root of a container is root of this host',
      '2.9: user namespaces',
      'set `"userns-remap": "default"`; images are pulled anew'
    ],
    [
      security.has('no-new-privileges'),
      'a container may gain privileges unless it says otherwise',
      '2.14: none may by default',
      'set `"no-new-privileges": true`; jobs never may'
    ],
    [
      liveRestore,
      'containers end with the engine, and with them jobs when it is started anew',
      '2.15: they go on',
      'set `"live-restore": true`'
    ],
    [
      security.has('seccomp'),
      'a container has no filter of system calls unless it brings one',
      '2.17: a filter by default',
      'take `seccomp-profile` out; jobs bring their own'
    ]
  ]
  return found
    .filter(([isAsWanted]) => !isAsWanted)
    .map(([, is, wanted, how]) => {
      const fix = `${how} (the engine's \`daemon.json\`)`
      return note('engine', CODE, { found: is, wanted: `CIS Docker ${wanted}`, fix })
    })
}
