import { NAME_CHARACTERS_MAX } from '../core/limits.ts'
import type { Check } from './text.ts'

const GPU = 'it would hand out GPUs behind the mesh: leave it out'

/** Refused names, and prefixes ending in `*`, each with what it would break. */
const REFUSED: readonly (readonly [name: string, reason: string])[] = [
  ['RUNNER_MESH', 'the mesh sets it itself: choose another name'],
  ['RUNNER_MESH_*', 'the mesh sets these itself: choose another name'],
  ['NVIDIA_VISIBLE_DEVICES', GPU],
  ['NVIDIA_DRIVER_CAPABILITIES', GPU],
  ['NVIDIA_REQUIRE_*', GPU],
  ['NVIDIA_DISABLE_REQUIRE', GPU],
  ['NVIDIA_MIG_*', GPU],
  ['NVIDIA_IMEX_CHANNELS', GPU],
  ['AMD_VISIBLE_DEVICES', GPU],
  ['LD_PRELOAD', "it would be loaded into the engine's hooks: set it inside the script"]
]

export const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** What is wrong with the name of an environment variable, with the way out. */
export const envNameProblem: Check = (name) => {
  if (name.length > NAME_CHARACTERS_MAX) {
    return `is too long: at most ${NAME_CHARACTERS_MAX} characters are allowed`
  }
  if (!ENV_NAME.test(name)) {
    return 'is no name for a variable: use letters, digits and _, not first a digit'
  }
  const refused = REFUSED.find(([pattern]) => isNamed(name, pattern))
  return refused === undefined ? undefined : `is refused: ${refused[1]}`
}

function isNamed(name: string, pattern: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern
}
