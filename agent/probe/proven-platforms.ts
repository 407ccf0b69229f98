import { Readable } from 'node:stream'
import type { Platform } from '../../protocol/core/advertisement.ts'
import { causeOf } from '../../protocol/core/errors.ts'
import { parsePlatform } from '../../protocol/core/platform.ts'
import { BUSYBOX_INSIDE } from '../execute/guard.ts'
import { nativePlatform } from '../execute/native-platform.ts'
import { reapTrials, TRIAL_LABEL } from '../execute/reaping.ts'
import { flaggedLevels } from './amd64-levels.ts'
import { emulatedArchs } from './emulators.ts'
import type { HostProblem } from './host-profile.ts'
import { programsArchive } from './programs-archive.ts'
import { type Arch, levelProgram, TINY_EXIT_CODE, tinyProgram } from './tiny-program.ts'
import { exitCode, type TrialParts, trialBody, trialName } from './trial.ts'

/** Seconds that a program of three instructions may take, its emulator's start included. */
const PROOF_SECONDS_MAX = 8
/** In the exit code of a script that came to its end: above the bits of five programs. */
const SCRIPT_ENDED = 64

const PLATFORMS: Readonly<Record<Arch, string>> = {
  amd64: 'linux/amd64',
  386: 'linux/386',
  arm64: 'linux/arm64/v8',
  arm: 'linux/arm/v7',
  riscv64: 'linux/riscv64'
}

/** What a processor may run beside its own code: not all ARM ones have their 32-bit mode still. */
const SIBLINGS: Readonly<Record<string, Arch>> = { amd64: '386', arm64: 'arm' }

const FIX =
  'reinstall it (apt-get install qemu-user-static binfmt-support) and start the agent again; until ' +
  'then such jobs go to other hosts'

export interface ProvenPlatforms {
  /** Beside the engine's own, which is not among them. */
  readonly platforms: readonly Platform[]
  /** The engine's own with the level of its processors; absent where that is the plain one. */
  readonly native?: string | undefined
  readonly problems: readonly HostProblem[]
}

/**
 * What else runs here: each by a program of ours that ran in a container as jobs get them, and
 * ended with its own exit code there. Not before tryProfile has ended. Never rejects.
 */
export async function provenPlatforms(parts: TrialParts, root = '/'): Promise<ProvenPlatforms> {
  try {
    const engine = nativePlatform(await parts.engine.info())
    const own = await level(parts, engine, root)
    const others = await othersOf(parts, parsePlatform(engine)?.arch ?? '', root)
    return { ...others, native: own.native, problems: [...own.problems, ...others.problems] }
  } catch (error) {
    const found = `what else this host runs beside its own platform is not known: ${causeOf(error)}`
    return { platforms: [], problems: [problem(found)] }
  }
}

async function othersOf(
  parts: TrialParts,
  native: string,
  root: string
): Promise<Omit<ProvenPlatforms, 'native'>> {
  const emulated = (await emulatedArchs(root)).filter((arch) => arch !== native)
  const sibling = Object.hasOwn(SIBLINGS, native) ? SIBLINGS[native] : undefined
  // Where there is a handler, the kernel hands it even what the processor could run.
  const own = sibling === undefined || emulated.includes(sibling) ? [] : [sibling]
  const archs = [...own, ...emulated]
  const shown = await prove(
    parts,
    archs.map((arch) => ({ name: arch, bytes: tinyProgram(arch) }))
  )
  const proven = archs.filter((arch) => shown.includes(arch))
  const platforms = proven.map((arch) => ({ name: PLATFORMS[arch], native: own.includes(arch) }))
  const unproven = emulated.filter((arch) => !proven.includes(arch)).join(', ')
  if (unproven === '') return { platforms, problems: [] }
  const found = `this host hands programs for ${unproven} to an emulator that fails in containers`
  return { platforms, problems: [problem(found)] }
}

/** What the processors say that they have, as far as programs of ours have shown it. */
async function level(
  parts: TrialParts,
  engine: string,
  root: string
): Promise<Omit<ProvenPlatforms, 'platforms'>> {
  if (engine !== PLATFORMS.amd64) return { problems: [] }
  const flagged = await flaggedLevels(root)
  const shown = await prove(
    parts,
    flagged.map((one) => ({ name: `v${one}`, bytes: levelProgram(one) }))
  )
  const failing = flagged.findIndex((one) => !shown.includes(`v${one}`))
  const best = (failing < 0 ? flagged : flagged.slice(0, failing)).at(-1)
  const native = best === undefined ? undefined : `${engine}/v${best}`
  const refused = flagged[failing]
  if (refused === undefined) return { native, problems: [] }
  const found =
    `the processors say that they have x86-64-v${refused}, and a program for it fails in ` +
    'containers'
  const fix = 'see what the virtual machine of this host hides; until then that is not offered'
  return { native, problems: [{ ...problem(found), fix }] }
}

interface Program {
  readonly name: string
  readonly bytes: Uint8Array
}

/** The names of those that run in a container: at most five, all in one, side by side. */
async function prove(parts: TrialParts, programs: readonly Program[]): Promise<readonly string[]> {
  if (programs.length === 0) return []
  const { engine, peerId } = parts
  const names = programs.map(({ name }) => name)
  try {
    const archive = programsArchive(
      Object.fromEntries(programs.map(({ name, bytes }) => [name, bytes]))
    )
    const root = Readable.from([archive])
    const image = await engine.importRoot(root, { [TRIAL_LABEL]: peerId })
    const body = await trialBody(parts, image, proofScript(names))
    const platform = nativePlatform(await engine.info())
    const id = await engine.create(trialName('proof', peerId), platform, body)
    await engine.start(id)
    const bits = await exitCode(engine, id)
    // A shell that was killed or is none ends with a number as well: it would prove what never ran.
    const isOurs = bits >= SCRIPT_ENDED && bits < 2 * SCRIPT_ENDED - 2
    return names.filter((_, index) => isOurs && (bits & (1 << index)) !== 0)
  } finally {
    await reapTrials(engine, peerId).catch(() => [])
  }
}

/** Exits with SCRIPT_ENDED and a bit for each program that ended as it should, the first lowest. */
function proofScript(names: readonly string[]): string {
  const limit = `${BUSYBOX_INSIDE} timeout -s KILL ${PROOF_SECONDS_MAX}`
  const starts = names.map((name, index) => `${limit} /${name} & p${index}=$!`)
  const ends = names.map(
    (_, index) => `wait $p${index}; [ $? = ${TINY_EXIT_CODE} ] && bits=$((bits + ${1 << index}))`
  )
  return [`bits=${SCRIPT_ENDED}`, ...starts, ...ends, 'exit $bits'].join('\n')
}

function problem(found: string): HostProblem {
  return { part: 'platforms', blocking: false, found, fix: FIX }
}
