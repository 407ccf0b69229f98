/** `os/arch[/variant]`, taken apart. */
export interface PlatformParts {
  readonly os: string
  readonly arch: string
  /** 0 where the platform names none. */
  readonly variant: number
}

export const PLATFORM_PATTERN = /^([a-z][a-z0-9]{0,15})\/([a-z0-9][a-z0-9_]{0,15})(?:\/v([1-9]))?$/

/** The same machine under its kernel's name and under the engine's. */
const ARCH_NAMES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  aarch64: 'arm64',
  i386: '386',
  armhf: 'arm',
  armel: 'arm'
}

/** What an image for the bare architecture is built for, as engines read it. */
const BARE_VARIANTS: Readonly<Record<string, number>> = {
  amd64: 1,
  arm64: 8,
  arm: 7,
  armel: 6
}

/** What was read before: placement asks for the same few names for each job and each agent. */
const READ = new Map<string, PlatformParts | undefined>()
/** Names that are remembered; others may say what they like, and must not fill a memory. */
const READ_MAX = 256

/** Undefined for text that is no platform. */
export function parsePlatform(name: string): PlatformParts | undefined {
  const known = READ.get(name)
  if (known !== undefined || READ.has(name)) return known
  if (READ.size >= READ_MAX) READ.clear()
  const parts = readPlatform(name)
  READ.set(name, parts)
  return parts
}

function readPlatform(name: string): PlatformParts | undefined {
  const match = PLATFORM_PATTERN.exec(name)
  if (match === null) return undefined
  const [, os = '', found = '', variant] = match
  const arch = own(ARCH_NAMES, found) ?? found
  const bare = own(BARE_VARIANTS, found) ?? own(BARE_VARIANTS, arch) ?? 0
  return { os, arch, variant: variant === undefined ? bare : Number(variant) }
}

/**
 * True when code for `wanted` runs on `offered`: same system and architecture, and a variant no
 * newer than the host's. Text that is no platform runs nowhere.
 */
export function runsOn(wanted: string, offered: string): boolean {
  const code = parsePlatform(wanted)
  const host = parsePlatform(offered)
  if (code === undefined || host === undefined) return false
  return code.os === host.os && code.arch === host.arch && code.variant <= host.variant
}

// An architecture named `constructor` must not find what every object inherits.
function own<Value>(table: Readonly<Record<string, Value>>, key: string): Value | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined
}
