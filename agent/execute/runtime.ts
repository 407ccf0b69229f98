import {
  ASKED_LEVELS,
  type AskedLevel,
  type IsolationLevel
} from '../../protocol/core/isolation.ts'

/** A runtime that an engine names in its answer to `GET /info`. */
export interface EngineRuntime {
  readonly name: string
  /** Its program, or the kind of its shim; '' where the engine does not say. */
  readonly program: string
  /** What the engine starts it with; absent where it does not say. */
  readonly args?: readonly string[] | undefined
}

/** Runtimes that put more between a job and this host's kernel than `runc` does. */
export type RuntimeClass = 'gvisor' | 'vm' | 'sysbox'

/** A runtime that has shown on this host what it is, and that the lifeline ends what runs in it. */
export interface OfferedRuntime {
  readonly name: string
  readonly class: RuntimeClass
}

/** What the engine itself makes containers with where it is not told otherwise. */
export const PLAIN_RUNTIME = 'runc'

/** Words of names and programs: `kata-fc`, `/usr/bin/runsc`, `io.containerd.kata.v2`. */
const CLASS_WORDS: readonly (readonly [RegExp, RuntimeClass])[] = [
  [/(^|[./_-])(runsc|gvisor)/, 'gvisor'],
  [/(^|[./_-])kata/, 'vm'],
  [/(^|[./_-])sysbox/, 'sysbox']
]

const LEVEL_OF: Readonly<Record<RuntimeClass, AskedLevel>> = {
  // The host's kernel, but root in the box is nobody outside of it.
  sysbox: 'userns',
  gvisor: 'gvisor',
  vm: 'vm'
}

/** What a runtime's program or else its name says that it is; undefined for none of ours. */
export function classOf({ name, program }: EngineRuntime): RuntimeClass | undefined {
  const of = (text: string): RuntimeClass | undefined =>
    CLASS_WORDS.find(([words]) => words.test(text))?.[1]
  return of(program) ?? of(name)
}

/** NVIDIA's own: it changes a container by what its image says of GPUs. */
export function isNvidiaRuntime({ name, program }: EngineRuntime): boolean {
  return /(^|[./_-])nvidia([./_-]|$)/.test(program) || name === 'nvidia'
}

/**
 * The name of the runtime that gives at least this level here, and of those the weakest, which
 * costs least; undefined where none does: the job is refused then, never given less.
 */
export function runtimeFor(
  level: IsolationLevel,
  offered: readonly OfferedRuntime[]
): string | undefined {
  const enough = level === 'runc' ? ASKED_LEVELS : ASKED_LEVELS.slice(ASKED_LEVELS.indexOf(level))
  const found = enough.map((each) => offered.find((one) => LEVEL_OF[one.class] === each))
  return found.find((one) => one !== undefined)?.name
}

/** What these runtimes give, weakest first, each once. */
export function levelsOf(offered: readonly OfferedRuntime[]): readonly AskedLevel[] {
  return ASKED_LEVELS.filter((level) => offered.some((one) => LEVEL_OF[one.class] === level))
}

/**
 * The runtime of jobs that ask for none, always said: an owner's engine may have another default
 * (`nvidia`, whose containers see each GPU that their image names). Undefined, which leaves it to the
 * engine, where it does not know `runc`: Podman's has `crun`.
 */
export function plainRuntime(runtimes: readonly EngineRuntime[]): string | undefined {
  return runtimes.some(({ name }) => name === PLAIN_RUNTIME) ? PLAIN_RUNTIME : undefined
}
