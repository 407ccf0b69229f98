import { MeshError } from '../../protocol/core/errors.ts'
import { IMAGE_LABEL_BYTES_MAX } from '../../protocol/core/image-limits.ts'
import type { LocalImage } from './engine-types.ts'

/**
 * The names of an image's labels, which are on each of its containers, and with that in every event
 * that the engine tells of it. Throws SANDBOX_FAILED for an image that has too many.
 */
export function imageLabels(
  job: string,
  { labels }: Pick<LocalImage, 'labels'>
): readonly string[] {
  const bytes = labels.reduce((sum, name) => sum + Buffer.byteLength(name), 0)
  if (bytes <= IMAGE_LABEL_BYTES_MAX) return labels
  const cause = `the names of its image's labels have ${bytes} bytes, ${IMAGE_LABEL_BYTES_MAX} are allowed`
  throw new MeshError('SANDBOX_FAILED', { job, action: 'be made', cause })
}
