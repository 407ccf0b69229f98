import type { LocalImage } from './engine-types.ts'

/** What an image says of how it is run; engines leave out, or send null for, what is empty. */
export interface ImageConfigAnswer {
  readonly User?: string | undefined
  readonly Volumes?: Readonly<Record<string, unknown>> | null | undefined
  readonly Entrypoint?: string | readonly string[] | null | undefined
  readonly Cmd?: readonly string[] | null | undefined
  readonly WorkingDir?: string | undefined
  readonly Labels?: Readonly<Record<string, string>> | null | undefined
}

export type ImageConfig = Pick<
  LocalImage,
  'user' | 'volumes' | 'entrypoint' | 'command' | 'workdir' | 'labels'
>

export function imageConfig(answer: ImageConfigAnswer | null | undefined): ImageConfig {
  const { User, Volumes, Entrypoint, Cmd, WorkingDir, Labels } = answer ?? {}
  return {
    user: User ?? '',
    volumes: Object.keys(Volumes ?? {}),
    entrypoint: typeof Entrypoint === 'string' ? [Entrypoint] : (Entrypoint ?? []),
    command: Cmd ?? [],
    workdir: WorkingDir || '/',
    labels: Object.keys(Labels ?? {})
  }
}
