import type { Advertisement } from './advertisement.ts'
import { IMAGE } from './images-lacking.ts'
import { POLICY, type Unmet, type Wanted } from './requirements.ts'

/** What somebody could do so that this host could run the job; one line for people. */
export function remedyFor(
  { requirement, wanted, offered }: Unmet,
  { spec }: Wanted,
  { name }: Pick<Advertisement, 'name'>
): string {
  const label = /^label (.*)$/.exec(requirement)?.[1]
  if (label !== undefined) {
    return `add the label ${label}: ${wanted} in agent.yaml of ${name}, or relax \`labels\``
  }
  if (requirement.startsWith('gpu')) {
    return `ask for less in \`resources.gpu\`, or add a host that has ${requirement} ${wanted}`
  }
  switch (requirement) {
    case 'platform':
      return spec.emulation === 'forbid'
        ? `add a host of ${spec.platform ?? 'that platform'}, or \`emulation: allow\``
        : `add a host of ${spec.platform ?? 'that platform'}, or an emulator for it on ${name}`
    case 'cpu':
    case 'memory':
    case 'disk':
      return `ask for at most ${offered} in \`resources\`, or give it more in agent.yaml of ${name}`
    case 'pids':
      return `ask for fewer in \`resources.pids\`, or raise kernel.pid_max and threads-max of ${name}`
    case 'slot':
      return `set capacity.jobs in agent.yaml of ${name}`
    case 'isolation':
      return `ask for less in \`isolation\`, or set up a runtime on ${name} that gives it`
    case 'enforced network':
      return `ask for less in \`network\`, or set network.rules and network.offer of ${name}`
    case 'builder':
      return `set builder: offer in agent.yaml of ${name}`
    case IMAGE:
      return `push ${wanted}, or ask for another \`image\` or \`platform\``
    case POLICY:
      return `ask the owner of ${name}: policy in its agent.yaml refuses ${wanted}`
    default:
      return `${name} offers ${offered}, the job needs ${wanted}`
  }
}
