import type { LocalImage } from './engine-types.ts'

/** What an image says of how it is run; engines leave out, or send null for, what is empty. */
export interface ImageConfigAnswer {
  readonly User?: string | undefined
  readonly Volumes?: Readonly<Record<string, unknown>> | null | undefined
  readonly Entrypoint?: string | readonly string[] | null | undefined
  readonly Cmd?: readonly string[] | null | undefined
  readonly WorkingDir?: string | undefined
}

export type ImageConfig = Pick<
  LocalImage,
  'user' | 'volumes' | 'entrypoint' | 'command' | 'workdir'
>

export function imageConfig(answer: ImageConfigAnswer | null | undefined): ImageConfig {
  const { User, Volumes, Entrypoint, Cmd, WorkingDir } = answer ?? {}
  return {
    user: User ?? '',
    volumes: Object.keys(Volumes ?? {}),
    entrypoint: typeof Entrypoint === 'string' ? [Entrypoint] : (Entrypoint ?? []),
    command: Cmd ?? [],
    workdir: WorkingDir || '/'
  }
}
