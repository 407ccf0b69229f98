import type { Command } from 'commander'
import { codeOf, type MeshError } from '../../protocol/core/errors.ts'
import { jsonText } from '../../protocol/host/command-text.ts'
import { asMeshError, SilentExit } from '../../protocol/host/exit.ts'
import { harmless } from '../../protocol/host/harmless.ts'
import { ProofFolder } from '../../protocol/mesh/members/proof-folder.ts'
import { loadAgentSettings } from '../config.ts'
import {
  type DoctorView,
  doctorSchema,
  type HealthLine,
  statusSchema
} from '../control/contract.ts'
import { diagnose } from '../doctor/doctor.ts'
import type { Finding } from '../doctor/finding.ts'
import { hostNode } from '../execute/gpu/device-node.ts'
import { GpuPassage } from '../execute/gpu/gpu-passage.ts'
import { localGpus } from '../probe/gpu/host-gpus.ts'
import { toolRunner } from '../probe/gpu/tools.ts'
import {
  type CommonOptions,
  type Context,
  common,
  contextOf,
  type Surroundings
} from './command.ts'
import type { Colour, Console } from './console.ts'

interface DoctorOptions extends CommonOptions {
  readonly proofs?: boolean
}

const SIGNS: Readonly<Record<Finding['verdict'], readonly [string, Colour]>> = {
  ok: ['ok', 'green'],
  note: ['note', 'dim'],
  warning: ['warning', 'yellow'],
  failed: ['FAILED', 'red']
}

export function doctorCommand(program: Command, around: Surroundings): void {
  common(program.command('doctor'))
    .description('say what is wrong with this host and what to do; changes nothing')
    .option('--config <file>', 'settings (default: agent.yaml of the system or state folder)')
    .option('--json', 'one document, schema agent.doctor/1')
    .option('--proofs', 'instead: what members signed twice, to keep; one document, agent.proofs/1')
    .action(async (options: DoctorOptions) => {
      const context = contextOf(options, around)
      if (options.proofs === true) return await showProofs(context)
      const findings = await diagnose({
        paths: context.paths,
        settings: await settingsOf(context, options),
        clock: context.clock,
        health: await healthOf(context),
        gpus: localGpus(),
        passage: new GpuPassage({ run: toolRunner(), nodeAt: hostNode })
      })
      const view = viewOf(findings, context.clock.wallMs())
      context.console.out(context.json ? jsonText(view) : render(view, context.console))
      if (view.failed > 0) throw new SilentExit(1)
    })
}

/** Of any state folder, a gateway's too. Exit 1 where a file proves nothing. */
async function showProofs({ paths, console, clock }: Context): Promise<void> {
  const { proofs, damaged } = await new ProofFolder(paths.proofs).read()
  console.out(
    jsonText({
      schema: 'agent.proofs/1',
      at: new Date(clock.wallMs()).toISOString(),
      proofs: proofs.map(({ file, text }) => ({ file, proof: JSON.parse(text) as unknown })),
      damaged
    })
  )
  if (damaged.length > 0) throw new SilentExit(1)
}

async function settingsOf({ paths, env }: Context, options: CommonOptions) {
  try {
    const fileRequired = options.config !== undefined
    return (await loadAgentSettings({ file: paths.config, fileRequired, flags: {}, env })).values
  } catch (error) {
    return asMeshError(error)
  }
}

/**
 * Undefined where no daemon answers: then its files are all there is. CONTROL_FORBIDDEN does not
 * say whether one runs.
 */
async function healthOf({
  client
}: Context): Promise<readonly HealthLine[] | MeshError | undefined> {
  try {
    return (await client.get('/v1/status', statusSchema)).health
  } catch (error) {
    return codeOf(error) === 'CONTROL_FORBIDDEN' ? asMeshError(error) : undefined
  }
}

function viewOf(findings: readonly Finding[], wallMs: number): DoctorView {
  const count = (wanted: Finding['verdict']): number => {
    return findings.filter(({ verdict }) => verdict === wanted).length
  }
  return doctorSchema.parse({
    schema: 'agent.doctor/1',
    at: new Date(wallMs).toISOString(),
    findings,
    failed: count('failed'),
    warnings: count('warning')
  })
}

function render(view: DoctorView, { paint }: Console): string {
  const { findings, failed, warnings } = harmless(view)
  const lines = findings.map(({ code, verdict, subject, found, wanted, fix }) => {
    const [sign, colour] = SIGNS[verdict]
    const head = `${paint(colour, sign.padEnd(8))} ${subject.padEnd(9)} ${found}\n`
    if (verdict === 'ok') return head
    const way = fix === null ? '' : `${' '.repeat(19)}fix: ${fix}\n`
    return `${head}${' '.repeat(19)}${code}: wanted ${wanted}\n${way}`
  })
  return `${lines.join('')}\n${failed} failed, ${warnings} warnings\n`
}
