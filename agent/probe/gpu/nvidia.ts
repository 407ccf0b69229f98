import { type GpuDevice, type GpuHost, type GpuReading, healthOf, NO_GPUS } from './gpu-device.ts'
import { listMig, type MigListing } from './nvidia-mig.ts'
import { type NvidiaEntry, readNvidiaProc, UUID } from './nvidia-proc.ts'
import { type NvidiaAnswers, type NvidiaRow, queryNvidia } from './nvidia-query.ts'
import { graphicsOf, numaNodeOf, PCI_DEVICES, renderNodeOf } from './pci.ts'

const VENDOR = '0x10de'
const MIB = 1_048_576
/** Drivers that a GPU has where its owner gave it to a virtual machine. */
const GIVEN_AWAY = new Set(['vfio-pci', 'xen-pciback', 'pci-stub'])

/** NVIDIA's GPUs, by what the driver says in /proc, and then by nvidia-smi. */
export async function readNvidia(host: GpuHost): Promise<GpuReading> {
  const { tree, run } = host
  const { driver, gpus } = await readNvidiaProc(tree)
  const onBus = await graphicsOf(tree, VENDOR)
  const warnings = onBus.flatMap((each) => strangerWarning(each) ?? [])
  // A tool without its driver would fail on every host that has it installed.
  const isHere = driver !== '' || gpus.length > 0 || onBus.some((each) => each.driver === 'nvidia')
  if (!isHere && !(await tree.has('dev/dxg'))) return { ...NO_GPUS, warnings }
  const entries = gpus.filter(({ isExcluded }) => !isExcluded)
  const answers = await queryNvidia(
    run,
    entries.map(({ pci }) => pci)
  )
  const found = [...entries, ...others(answers, gpus)]
  const hasParts = found.some(({ pci }) => isDivided(answers.rows.get(pci)))
  const mig = hasParts ? await listMig(run) : { parts: new Map(), warnings: [] }
  const devices: GpuDevice[] = []
  for (const entry of found)
    devices.push(...(await devicesOf(host, { entry, driver, answers, mig })))
  return { devices, warnings: [...warnings, ...answers.warnings, ...mig.warnings] }
}

/** Of what nvidia-smi knows and /proc does not, as in a virtual machine without that folder. */
function others({ rows }: NvidiaAnswers, gpus: readonly NvidiaEntry[]): readonly NvidiaEntry[] {
  const known = new Set(gpus.map(({ pci }) => pci))
  const unknown = { model: undefined, uuid: undefined, minor: undefined, isExcluded: false }
  return [...rows.keys()].filter((pci) => !known.has(pci)).map((pci) => ({ pci, ...unknown }))
}

interface Known {
  readonly entry: NvidiaEntry
  readonly driver: string
  readonly answers: NvidiaAnswers
  readonly mig: MigListing
}

async function devicesOf(host: GpuHost, known: Known): Promise<readonly GpuDevice[]> {
  const whole = await wholeOf(host, known)
  if (!isDivided(known.answers.rows.get(known.entry.pci))) return [whole]
  const parts = known.mig.parts.get(whole.id.slice('nvidia:'.length)) ?? []
  if (parts.length === 0) {
    return [
      { ...whole, ...healthOf([...whole.reasons, 'MIG is on, and no instance is made of it']) }
    ]
  }
  // Not the whole one as well: nothing runs on it while it is divided.
  return parts.map(({ uuid, profile, memoryBytes }) => ({
    ...whole,
    id: `nvidia:${uuid}`,
    model: `${whole.model} MIG ${profile}`,
    memoryBytes,
    sharedMemory: false,
    parent: whole.id
  }))
}

async function wholeOf({ tree, faults }: GpuHost, known: Known): Promise<GpuDevice> {
  const { entry, driver, answers } = known
  const { pci, minor } = entry
  const row = answers.rows.get(pci)
  if (row?.fact('gpu_recovery_action') === 'None') faults.settle(pci)
  const uuid = entry.uuid ?? uuidOf(row)
  const render = await renderNodeOf(tree, `${PCI_DEVICES}/${pci}`)
  return {
    id: `nvidia:${uuid ?? pci}`,
    vendor: 'nvidia',
    model: entry.model ?? row?.fact('name') ?? 'NVIDIA GPU',
    pci,
    ...queriedOf(row),
    driver: driver || (row?.fact('driver_version') ?? ''),
    numaNode: await numaNodeOf(tree, pci),
    parent: undefined,
    nodes: [
      ...(minor === undefined ? [] : [`/dev/nvidia${minor}`]),
      ...(render === undefined ? [] : [render])
    ],
    ...healthOf([
      ...listed(answers.illness(pci)),
      ...faults.of(pci),
      ...(row === undefined ? [] : complaints(row)),
      ...listed(uuid === undefined ? 'its driver gives it no UUID' : undefined)
    ])
  }
}

type Queried = Pick<GpuDevice, 'memoryBytes' | 'sharedMemory' | 'architecture'>

function queriedOf(row: NvidiaRow | undefined): Queried {
  const memory = row?.fact('memory.total') ?? ''
  const capability = row?.fact('compute_cap') ?? ''
  const isCapability = /^\d{1,2}\.\d$/.test(capability)
  return {
    memoryBytes: /^[1-9]\d{0,8}$/.test(memory) ? Number(memory) * MIB : undefined,
    // Of one that computes in the host's memory it says that there is none of its own.
    sharedMemory: isCapability && row?.lacks('memory.total') === true && !row.isLost,
    architecture: isCapability ? `sm_${capability.replace('.', '')}` : ''
  }
}

function listed(reason: string | undefined): readonly string[] {
  return reason === undefined ? [] : [reason]
}

function uuidOf(row: NvidiaRow | undefined): string | undefined {
  const uuid = row?.fact('uuid')
  return uuid !== undefined && UUID.test(uuid) ? uuid : undefined
}

/** What the driver itself says against a GPU. */
function complaints(row: NvidiaRow): readonly string[] {
  const says: string[] = []
  if (row.isLost) says.push('nvidia-smi: GPU is lost')
  const action = row.fact('gpu_recovery_action')
  if (action !== undefined && action !== 'None') says.push(`its driver wants a recovery: ${action}`)
  const errors = row.fact('ecc.errors.uncorrected.volatile.total') ?? ''
  if (/^[1-9]\d*$/.test(errors))
    says.push(`uncorrected ECC errors since its driver began: ${errors}`)
  if (row.fact('remapped_rows.failure') === 'Yes')
    says.push('a row of its memory could not be remapped')
  if (row.fact('remapped_rows.pending') === 'Yes')
    says.push('a row of its memory waits for a reset')
  if (row.fact('retired_pages.pending') === 'Yes')
    says.push('a page of its memory waits for a reset')
  return says
}

function isDivided(row: NvidiaRow | undefined): boolean {
  return row?.fact('mig.mode.current') === 'Enabled'
}

function strangerWarning({
  pci,
  driver
}: {
  readonly pci: string
  readonly driver: string | undefined
}) {
  if (driver === 'nvidia' || GIVEN_AWAY.has(driver ?? '')) return undefined
  const has = driver === undefined ? 'no driver' : `the driver ${driver}`
  return `the NVIDIA device ${pci} has ${has}: jobs get it with NVIDIA's own alone`
}
