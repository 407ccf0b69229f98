import { onTestFinished } from 'vitest'
import type { ForgeApi } from '../../gateway/forge/forge-api.ts'
import { ForgeApis } from '../../gateway/forge/forge-apis.ts'
import { type CredentialHolder, ForgeCredentials } from '../../gateway/forge/forge-credentials.ts'
import { CredentialStore } from '../../gateway/secrets/credential-store.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { FakeForge } from './fake-forge.ts'
import type { FakeRepository } from './fake-forge-repository.ts'
import type { FakeForgeKind, FakeScope } from './fake-forge-world.ts'
import { temporaryFolder } from './store-folder.ts'

const clock = systemClock()

/** A forge that is gone when the test ends. */
export async function forgeOf(kind: FakeForgeKind): Promise<FakeForge> {
  const forge = await FakeForge.serve(kind)
  onTestFinished(() => forge.stop())
  return forge
}

export interface ForgeRig {
  readonly forge: FakeForge
  readonly repository: FakeRepository
  readonly store: CredentialStore
  readonly credentials: ForgeCredentials
  readonly apis: ForgeApis
  readonly holder: CredentialHolder
  readonly api: ForgeApi
  /** What the gateway is known by there; '' where it is a stranger. */
  readonly token: string
}

export interface ForgeRigOptions {
  readonly scopes?: readonly FakeScope[]
  readonly isPrivate?: boolean
  /** No credential at all. */
  readonly isStranger?: boolean
  readonly path?: string
  readonly requestMs?: number
  readonly publicUrl?: string
}

/** `team/kernel` on a fake forge, and a gateway's client of it with a real credential store. */
export async function forgeRig(
  kind: FakeForgeKind,
  options: ForgeRigOptions = {}
): Promise<ForgeRig> {
  const { scopes, isPrivate = false, isStranger = false, path = 'team/kernel' } = options
  const { requestMs, publicUrl } = options
  const forge = await forgeOf(kind)
  const repository = await forge.repository(path, { isPrivate })
  const store = await credentialStore()
  const token = isStranger ? '' : forge.world.token('gateway', scopes)
  if (!isStranger) {
    const wanted = { name: 'forge', kind: 'token' } as const
    await store.set(wanted, Buffer.from(token), clock.wallMs())
  }
  const credentials = new ForgeCredentials({ store, clock })
  const apis = new ForgeApis({ credentials, clock }, { requestMs, publicUrl })
  const holder = {
    forge: kind,
    url: forge.cloneUrl(path),
    api: undefined,
    credential: isStranger ? undefined : 'forge'
  }
  const api = apis.of(holder)
  if (api === undefined) throw new Error('no API')
  return { forge, repository, store, credentials, apis, holder, api, token }
}

export async function credentialStore(): Promise<CredentialStore> {
  const dir = await temporaryFolder()
  return new CredentialStore({
    file: `${dir}/credentials.json`,
    keyFile: `${dir}/secrets.key`,
    secrets: `${dir}/secrets.json`
  })
}

/** One that never ends by itself. */
export function noEnd(): AbortSignal {
  return new AbortController().signal
}
