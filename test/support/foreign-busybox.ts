import { resolve } from 'node:path'

/** A static busybox for arm64, put there by deploy/engine-tests.sh. */
export const ARM64_BUSYBOX = resolve(
  import.meta.dirname,
  '../../node_modules/.cache/runner-mesh/busybox-arm64'
)
