import type { Readable } from 'node:stream'
import type { InfoAnswer, VersionAnswer } from './engine-info.ts'
import type { NetworkAnswer } from './network-view.ts'

export interface CallOptions {
  readonly abortSignal: AbortSignal
  readonly [option: string]: unknown
}

interface VolumeAnswer {
  readonly Name: string
  readonly Labels: Readonly<Record<string, string>> | null
}

/** The calls whose types lag behind what dockerode takes. */
export interface Calls {
  info(options: CallOptions): Promise<InfoAnswer>
  version(options: CallOptions): Promise<VersionAnswer>
  importImage(archive: Readable, options: CallOptions): Promise<NodeJS.ReadableStream>
  createImage(auth: object, options: CallOptions): Promise<NodeJS.ReadableStream>
  getEvents(options: CallOptions): Promise<NodeJS.ReadableStream>
  listNetworks(options: CallOptions): Promise<readonly NetworkAnswer[]>
  listVolumes(options: CallOptions): Promise<{ Volumes: readonly VolumeAnswer[] | null }>
}
