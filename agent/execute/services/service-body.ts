import type { ServiceSpec } from '../../../protocol/core/run.ts'
import { SERVICE_LABEL } from '../engine-events.ts'
import type { ContainerBody } from '../engine-types.ts'
import { onNetwork } from '../network/gate.ts'
import type { JobNetwork } from '../network/job-network.ts'
import {
  containerBody,
  type Profile,
  type SandboxHost,
  type SandboxRequest,
  WORKSPACE_INSIDE
} from '../sandbox-profile.ts'
import { withSecretMounts } from '../secret-mounts.ts'

/**
 * What the container of a service is made of: the job's own profile, field by field, with the
 * service's resources, without the workspace, and with its name on the job's network. `request` is
 * the service's: its image, its resources, a name for its volumes.
 */
export function serviceBody(
  profile: Profile,
  request: SandboxRequest,
  service: ServiceSpec,
  host: SandboxHost,
  network: Pick<JobNetwork, 'name' | 'nameServers'>
): ContainerBody {
  const made = onNetwork(containerBody(withoutWorkspace(profile), request, host), network)
  const body: ContainerBody = {
    ...made,
    Labels: { ...made.Labels, [SERVICE_LABEL]: service.name },
    NetworkingConfig: { EndpointsConfig: { [network.name]: { Aliases: [service.name] } } }
  }
  return service.secrets.length === 0 ? body : withSecretMounts(body, request.volume, host.userBase)
}

/** The source is the job's: what listens on a network gets none of it. */
function withoutWorkspace(profile: Profile): Profile {
  const volumes: Profile['volumes'] = (request) =>
    profile.volumes(request).filter(({ target }) => target !== WORKSPACE_INSIDE)
  return { ...profile, volumes }
}
