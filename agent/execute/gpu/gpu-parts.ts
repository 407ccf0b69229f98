/** A node of the host's, under its own name in the container. */
export interface PassedDevice {
  readonly PathOnHost: string
  /** The same: where an engine maps users, it looks the node up by this one. */
  readonly PathInContainer: string
  /** Never `m`: a job makes no nodes. */
  readonly CgroupPermissions: 'rw'
}

export interface PassedRequest {
  readonly Driver: 'cdi' | 'nvidia'
  readonly DeviceIDs: readonly string[]
  readonly Capabilities?: readonly (readonly string[])[]
}

/** What of a container's making decides about GPUs, whole: what is not in here it does not get. */
export interface GpuParts {
  readonly devices: readonly PassedDevice[]
  readonly requests: readonly PassedRequest[]
  /** By number: a name would be looked up in the image. */
  readonly groups: readonly string[]
  /** `NAME=value` for the container itself, over what its image says. */
  readonly env: readonly string[]
}

const NVIDIA_VOID = 'NVIDIA_VISIBLE_DEVICES=void'
const AMD_VOID = 'AMD_VISIBLE_DEVICES=void'

/**
 * Of each container without a GPU. Images for CUDA say `NVIDIA_VISIBLE_DEVICES=all`, and a vendor's
 * runtime that an engine has by default takes an image at its word.
 */
export const NO_GPU_PARTS: GpuParts = {
  devices: [],
  requests: [],
  groups: [],
  env: [NVIDIA_VOID, AMD_VOID]
}

/** Names that `variables` sets besides, in place of saying that there is none. */
export function gpuEnvironment(variables: readonly string[]): readonly string[] {
  const nameOf = (entry: string): string => entry.split('=', 1)[0] ?? ''
  const set = new Set(variables.map(nameOf))
  return [...variables, ...NO_GPU_PARTS.env.filter((entry) => !set.has(nameOf(entry)))]
}
