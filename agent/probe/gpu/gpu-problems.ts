import type { Gpu } from '../../../protocol/core/gpu.ts'
import type { HostProblem } from '../host-profile.ts'

/** GPUs that get a line of their own; where all 64 of a host fell out, one more says how many. */
const LINES_MAX = 8
const ILL_FIX =
  "mend it (a reset by its vendor's tool, or a restart of the host): it takes jobs again after two " +
  'clean readings, a minute apart'
const LOST_FIX = 'put it back, or restart the agent if it is to be forgotten'
const WARNING_FIX = 'see docs/operating.md, GPUs; nothing else of this host is touched by it'

/** What is wrong with a host's GPUs, none of which keeps other jobs away. */
export function gpuProblems(
  gpus: readonly Gpu[],
  warnings: readonly string[]
): readonly HostProblem[] {
  const ill = gpus.filter(({ health }) => health !== 'ok')
  const lines = ill.slice(0, LINES_MAX).map(({ id, model, health, reasons }) => {
    const found = `${model} (${id}) takes no job: ${reasons.join('; ')}`
    return problem(found, health === 'lost' ? LOST_FIX : ILL_FIX)
  })
  const more = ill.length - lines.length
  if (more > 0) lines.push(problem(`${more} more GPUs take no job`, ILL_FIX))
  return [...lines, ...warnings.map((warning) => problem(warning, WARNING_FIX))]
}

function problem(found: string, fix: string): HostProblem {
  return { part: 'gpu', blocking: false, found, fix }
}
