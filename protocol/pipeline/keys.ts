import { type Path, quoted } from './problem.ts'
import { nearest } from './suggestion.ts'

/** The kinds of map in a pipeline file that have fixed keys. */
export type Context =
  | 'file'
  | 'on'
  | 'on.push'
  | 'on.pull_request'
  | 'on.tag'
  | 'on.manual'
  | 'input'
  | 'schedule'
  | 'defaults'
  | 'job'
  | 'resources'
  | 'gpu'
  | 'prefer'
  | 'concurrency'
  | 'secret'
  | 'service'
  | 'service.resources'
  | 'ready'
  | 'network'
  | 'step'

interface Keys {
  readonly built: readonly string[]
  /** Named in docs/pipeline.md and not built yet. */
  readonly later: readonly string[]
}

export const KEYS: Readonly<Record<Context, Keys>> = {
  file: { built: ['on', 'defaults', 'jobs'], later: [] },
  on: { built: ['push', 'pull_request', 'tag', 'manual', 'schedule'], later: [] },
  'on.push': { built: ['branches', 'paths'], later: [] },
  'on.pull_request': { built: ['branches', 'paths', 'labels'], later: [] },
  'on.tag': { built: ['tags'], later: [] },
  'on.manual': { built: ['inputs'], later: [] },
  input: { built: ['default', 'values', 'required'], later: [] },
  schedule: { built: ['cron', 'branch'], later: [] },
  defaults: { built: ['image', 'timeout', 'network'], later: [] },
  job: {
    built: [
      'image',
      'needs',
      'matrix',
      'platform',
      'emulation',
      'resources',
      'labels',
      'prefer',
      'fallback_after',
      'priority',
      'env',
      'timeout',
      'on_loss',
      'retry',
      'concurrency',
      'network',
      'isolation',
      'builder',
      'secrets',
      'services',
      'steps'
    ],
    later: ['artifacts', 'cache']
  },
  resources: { built: ['cpu', 'memory', 'disk', 'pids', 'gpu'], later: [] },
  gpu: {
    built: [
      'count',
      'vendor',
      'model',
      'memory',
      'compute_capability',
      'gfx',
      'mig',
      'numa',
      'share'
    ],
    later: []
  },
  prefer: { built: ['labels'], later: [] },
  concurrency: { built: ['group', 'cancel_superseded'], later: [] },
  secret: { built: ['file'], later: [] },
  service: {
    built: ['image', 'env', 'secrets', 'command', 'resources', 'ready'],
    later: []
  },
  'service.resources': { built: ['cpu', 'memory'], later: [] },
  ready: { built: ['port', 'command', 'timeout'], later: [] },
  network: { built: ['allow'], later: [] },
  step: { built: ['name', 'run', 'timeout', 'always'], later: [] }
}

/** Ways out of the sandbox that other systems have: refused, never translated. */
const REFUSED: ReadonlySet<string> = new Set([
  'privileged',
  'cap_add',
  'capabilities',
  'security_opt',
  'network_mode',
  'pid',
  'pid_mode',
  'ipc',
  'ipc_mode',
  'uts',
  'userns',
  'userns_mode',
  'devices',
  'device_requests',
  'gpus',
  'volumes',
  'mounts',
  'binds',
  'runtime',
  'cgroup_parent',
  'sysctls',
  'group_add'
])

const PLACES: Readonly<Record<Context, string>> = {
  file: 'at the top level',
  on: 'in `on`',
  'on.push': 'in `on.push`',
  'on.pull_request': 'in `on.pull_request`',
  'on.tag': 'in `on.tag`',
  'on.manual': 'in `on.manual`',
  input: 'in an input',
  schedule: 'in an entry of `on.schedule`',
  defaults: 'in `defaults`',
  job: 'in a job',
  resources: 'in `resources`',
  gpu: 'in `resources.gpu`',
  prefer: 'in `prefer`',
  concurrency: 'in `concurrency`',
  secret: 'in a secret',
  service: 'in a service',
  'service.resources': 'in `resources` of a service',
  ready: 'in `ready`',
  network: 'in `network`',
  step: 'in a step'
}

/** Which fixed keys the map at `path` has; undefined where keys are names or it is not ours. */
export function contextOf(path: Path): Context | undefined {
  return CONTEXTS.find(([shape]) => hasShape(path, shape))?.[1]
}

/** `*` stands for any name, `[]` for any index. */
export const CONTEXTS: readonly (readonly [shape: readonly string[], context: Context])[] = [
  [[], 'file'],
  [['on'], 'on'],
  [['on', 'push'], 'on.push'],
  [['on', 'pull_request'], 'on.pull_request'],
  [['on', 'tag'], 'on.tag'],
  [['on', 'manual'], 'on.manual'],
  [['on', 'manual', 'inputs', '*'], 'input'],
  [['on', 'schedule', '[]'], 'schedule'],
  [['defaults'], 'defaults'],
  [['jobs', '*'], 'job'],
  [['jobs', '*', 'resources'], 'resources'],
  [['jobs', '*', 'resources', 'gpu'], 'gpu'],
  [['jobs', '*', 'prefer'], 'prefer'],
  [['jobs', '*', 'concurrency'], 'concurrency'],
  [['jobs', '*', 'secrets', '*'], 'secret'],
  [['jobs', '*', 'services', '*'], 'service'],
  [['jobs', '*', 'services', '*', 'resources'], 'service.resources'],
  [['jobs', '*', 'services', '*', 'secrets', '*'], 'secret'],
  [['jobs', '*', 'services', '*', 'ready'], 'ready'],
  [['defaults', 'network'], 'network'],
  [['jobs', '*', 'network'], 'network'],
  [['jobs', '*', 'steps', '[]'], 'step']
]

function hasShape(path: Path, shape: readonly string[]): boolean {
  if (path.length !== shape.length) return false
  return path.every((segment, index) => {
    if (typeof segment === 'number') return shape[index] === '[]'
    return shape[index] === '*' || shape[index] === segment
  })
}

/** What is wrong with a key that this version does not take in `context`, with the way out. */
export function explainKey(context: Context, key: string): string {
  const { built, later } = KEYS[context]
  if (REFUSED.has(key)) return `${name(key)} is refused: a job never leaves its sandbox; remove it`
  if (later.includes(key)) return notBuilt(name(key))
  const elsewhere = contexts().filter((other) => KEYS[other].built.includes(key))
  if (elsewhere.length > 0) {
    const places = elsewhere.map((other) => PLACES[other]).join(' or ')
    return `${name(key)} is no key ${PLACES[context]}: it belongs ${places}`
  }
  const close = nearest(key, [...built, ...later])
  if (close === undefined) {
    return `unknown key ${name(key)}: the keys ${PLACES[context]} are ${built.join(', ')}`
  }
  const hint = later.includes(close) ? ` (${notBuilt('it')})` : ''
  return `unknown key ${name(key)}: did you mean \`${close}\`?${hint}`
}

/** For a key that docs/pipeline.md has and this version has not. */
function notBuilt(what: string): string {
  return `${what} is known but not built yet: remove it`
}

function contexts(): readonly Context[] {
  return Object.keys(KEYS).filter((key): key is Context => Object.hasOwn(KEYS, key))
}

function name(key: string): string {
  return /^[A-Za-z0-9_-]{1,40}$/.test(key) ? `\`${key}\`` : quoted(key)
}
