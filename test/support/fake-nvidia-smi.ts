import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type GpuHostTree, NVIDIA_DRIVER, uuid } from './gpu-host.ts'

/** What the tool prints for one GPU, by column; what is left out is as on an H100. */
export type SmiRow = Readonly<Record<string, string>>

export interface SmiState {
  readonly rows: readonly SmiRow[]
  /** `ok`, or what is wrong with it. */
  readonly mode?: 'ok' | 'hang' | 'nvml' | 'nonsense' | 'flood' | 'shuffled'
  /** Bus id of one that is lost: asked for all of them the tool gives up. */
  readonly lost?: string
  /** Columns that this version does not know. */
  readonly unknown?: readonly string[]
  /** What `-L` and `-q -x` print. */
  readonly list?: string
  readonly document?: string
  /** Rows of `--query-compute-apps`, and all that `pmon` prints. */
  readonly processes?: readonly string[]
  readonly times?: string
}

const UNITS: Readonly<Record<string, string>> = {
  'memory.total': 'MiB',
  'memory.used': 'MiB',
  'utilization.gpu': '%',
  'power.draw': 'W'
}

const H100: SmiRow = {
  'pci.bus_id': '00000000:3B:00.0',
  uuid: uuid('0'),
  name: 'NVIDIA H100 80GB HBM3',
  driver_version: NVIDIA_DRIVER,
  'memory.total': '81559',
  compute_cap: '9.0',
  'mig.mode.current': 'Disabled',
  gpu_recovery_action: 'None',
  'ecc.errors.uncorrected.volatile.total': '0',
  'remapped_rows.pending': 'No',
  'remapped_rows.failure': 'No',
  'retired_pages.pending': '[N/A]',
  index: '0',
  'utilization.gpu': '0',
  'memory.used': '4',
  'power.draw': '69.25',
  'temperature.gpu': '31'
}

/**
 * A program that answers as nvidia-smi does: of the columns asked for those that it knows, under
 * their titles, and an error for any other.
 */
export async function fakeNvidiaSmi(host: GpuHostTree, state: SmiState): Promise<void> {
  const columns = Object.keys(H100).filter((name) => !state.unknown?.includes(name))
  const titles = columns.map((name) => (name in UNITS ? `${name} [${UNITS[name]}]` : name))
  const rows = state.rows.map((row) => columns.map((name) => row[name] ?? H100[name]))
  const table = [columns, titles, ...rows].map((cells) => cells.join(', ')).join('\n')
  await writeFile(join(host.tools, 'smi.table'), `${table}\n`)
  await writeFile(join(host.tools, 'smi.list'), state.list ?? '')
  await writeFile(join(host.tools, 'smi.xml'), state.document ?? '')
  const apps = ['gpu_uuid, pid, used_gpu_memory [MiB]', ...(state.processes ?? [])]
  await writeFile(join(host.tools, 'smi.apps'), `${apps.join('\n')}\n`)
  await writeFile(join(host.tools, 'smi.pmon'), state.times ?? '')
  await host.tool('nvidia-smi', script(state))
}

function script({ mode = 'ok', lost = '' }: SmiState): string {
  return [
    `mode=${mode} lost='${lost}' dir=$(dirname "$0")`,
    'case "$mode" in',
    'hang) exec sleep 600 ;;',
    'nvml) echo "Failed to initialize NVML: Driver/library version mismatch"; exit 18 ;;',
    "nonsense) printf '\\000\\377{]] \\033[2J uuid, and pci.bus_id of no table\\n1,2\\n'; exit 0 ;;",
    'flood) yes nonsense; exit 0 ;;',
    'esac',
    'for each in "$@"; do',
    '  case "$each" in',
    '  -L) cat "$dir/smi.list"; exit 0 ;;',
    '  -x) cat "$dir/smi.xml"; exit 0 ;;',
    '  pmon) cat "$dir/smi.pmon"; exit 0 ;;',
    '  --query-compute-apps=*) cat "$dir/smi.apps"; exit 0 ;;',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: of the shell.
    '  --query-gpu=*) fields=${each#--query-gpu=} ;;',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: of the shell.
    '  --id=*) id=${each#--id=} ;;',
    '  esac',
    'done',
    'awk -v fields="$fields" -v id="$id" -v lost="$lost" -v mode="$mode" \'',
    AWK,
    '\' "$dir/smi.table"'
  ].join('\n')
}

/** Projects the columns of the table; its first line has their names, its second their titles. */
const AWK = `
BEGIN { FS = ", "; id = toupper(id); lost = toupper(lost) }
NR == 1 {
  for (i = 1; i <= NF; i += 1) place[$i] = i
  count = split(fields, wanted, ",")
  for (i = 1; i <= count; i += 1) if (!(wanted[i] in place)) {
    printf "Field \\"%s\\" is not a valid field to query.\\n\\n", wanted[i]
    stopped = 2
    exit 2
  }
  if (lost != "" && (id == "" || index(lost, id))) {
    printf "Unable to determine the device handle for GPU0: %s: GPU is lost.", substr(lost, 5)
    print "  Reboot the system to recover this GPU"
    stopped = 15
    exit 15
  }
  if (mode == "shuffled") for (i = 1; i <= count / 2; i += 1) {
    other = wanted[i]; wanted[i] = wanted[count + 1 - i]; wanted[count + 1 - i] = other
  }
  next
}
NR == 2 || id == "" || index($(place["pci.bus_id"]), id) {
  line = ""
  for (i = 1; i <= count; i += 1) line = line (i > 1 ? ", " : "") $(place[wanted[i]])
  print line
}
END { exit stopped }
`
