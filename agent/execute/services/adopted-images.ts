import type { ServiceSpec } from '../../../protocol/core/run.ts'
import type { Engine } from '../engine.ts'
import type { LocalImage } from '../engine-types.ts'
import { SandboxDied } from '../sandbox.ts'

export interface AdoptedImagesParts {
  readonly engine: Pick<Engine, 'inspect' | 'image'>
  /** The name of the container of one of its services. */
  readonly serviceContainer: (service: string) => string
}

/** Of the containers of an earlier agent, by service. Throws SandboxDied where one is gone. */
export async function imagesOfServices(
  { engine, serviceContainer }: AdoptedImagesParts,
  services: readonly ServiceSpec[] = []
): Promise<ReadonlyMap<string, LocalImage>> {
  const images = new Map<string, LocalImage>()
  for (const { name } of services) {
    const found = await engine.inspect(serviceContainer(name))
    const image = await engine.image(String(found?.config['Image'] ?? ''))
    if (image === undefined) throw new SandboxDied(found?.exitCode)
    images.set(name, image)
  }
  return images
}
