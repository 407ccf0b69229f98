import Docker from 'dockerode'
import type { Engine } from '../../agent/execute/engine.ts'
import { nativePlatform } from '../../agent/execute/native-platform.ts'
import { busyboxRoot } from '../../deploy/base-image.ts'
import { imageArchive, type LayerEntry } from '../../deploy/image-archive.ts'

const LOAD_MS_MAX = 60_000

export interface TestImageWish {
  readonly name: string
  /** The engine's own where absent. */
  readonly platform?: string
  /** Path of another platform's static busybox; this host's where absent. */
  readonly busybox?: string
  /** Beside the base image's files; instead of them with `bare`. */
  readonly entries?: readonly LayerEntry[]
  readonly bare?: boolean
  readonly config?: Readonly<Record<string, unknown>>
}

/** Loads an image that only a test needs; the result removes it. */
export async function testImage(engine: Engine, wish: TestImageWish): Promise<() => Promise<void>> {
  const root = wish.bare === true ? [] : await busyboxRoot(wish.busybox)
  const archive = await imageArchive({
    name: wish.name,
    platform: wish.platform ?? nativePlatform(await engine.info()),
    entries: [...root, ...(wish.entries ?? [])],
    config: { Env: ['PATH=/bin'], Cmd: ['/bin/sh'], ...wish.config }
  })
  await engine.load(archive.stream, AbortSignal.timeout(LOAD_MS_MAX))
  return async () => {
    const docker = new Docker({ socketPath: engine.socket })
    await docker.getImage(wish.name).remove({ force: true })
  }
}
