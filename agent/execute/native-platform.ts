import type { EngineInfo } from './engine-types.ts'

/** Kernel names of architectures, as images and pipeline files call them. */
const PLATFORMS: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  amd64: 'amd64',
  aarch64: 'arm64/v8',
  arm64: 'arm64/v8',
  armv8l: 'arm/v7',
  armv7l: 'arm/v7',
  armv6l: 'arm/v6',
  i386: '386',
  i686: '386',
  riscv64: 'riscv64',
  ppc64le: 'ppc64le',
  s390x: 's390x',
  loongarch64: 'loong64'
}

/** `os/arch[/variant]` of what the engine runs without emulation. */
export function nativePlatform(info: Pick<EngineInfo, 'os' | 'architecture'>): string {
  const known = Object.hasOwn(PLATFORMS, info.architecture)
  return `${info.os}/${known ? PLATFORMS[info.architecture] : info.architecture}`
}
