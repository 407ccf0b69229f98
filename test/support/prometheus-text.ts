/** One sample of an exposition. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** All that an exposition has of one metric. */
export interface Family {
  readonly type: string
  readonly help: string
  readonly samples: readonly Sample[]
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*'
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"'
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)?,?\\})? (\\S+)(?: -?\\d+)?$`)
const HELP = new RegExp(`^# HELP (${NAME}) (.*)$`)
const TYPE = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram|summary|untyped)$`)
/** Servers read NaN in any letters; the library writes `Nan`. */
const VALUE = /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]Inf|[Nn]a[Nn])$/

/**
 * Reads the text format of Prometheus, version 0.0.4, line by line, and throws at the first line
 * that a server would not take, or that breaks the rules for names.
 */
export function readExposition(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  const reader = new ExpositionReader()
  for (const line of text.split('\n')) if (line !== '') reader.take(line)
  for (const [name, family] of reader.families) checkName(name, family)
  return reader.families
}

class ExpositionReader {
  readonly families = new Map<string, { type: string; help: string; samples: Sample[] }>()
  readonly #seen = new Set<string>()
  #current = ''

  take(line: string): void {
    const [, helped, help = ''] = HELP.exec(line) ?? []
    const [, typed, type = ''] = TYPE.exec(line) ?? []
    if (helped !== undefined) this.#help(helped, help)
    else if (typed !== undefined) this.#type(typed, type)
    else if (!line.startsWith('#')) this.#sample(line)
  }

  #help(name: string, help: string): void {
    if (this.families.has(name)) throw new Error(`${name} is there twice`)
    this.families.set(name, { type: '', help, samples: [] })
    this.#current = name
  }

  #type(name: string, type: string): void {
    const family = this.families.get(name)
    if (family === undefined || name !== this.#current) throw new Error(`no help before ${name}`)
    family.type = type
  }

  #sample(line: string): void {
    const sample = readSample(line)
    const series = line.slice(0, line.lastIndexOf(' '))
    if (this.#seen.has(series)) throw new Error(`one series twice: ${line}`)
    this.#seen.add(series)
    const family = this.families.get(this.#current)
    if (family === undefined || !belongs(sample, this.#current, family.type)) {
      throw new Error(`a sample outside its metric: ${line}`)
    }
    family.samples.push(sample)
  }
}

function readSample(line: string): Sample {
  const [, name, labels = '', value = ''] = SAMPLE.exec(line) ?? []
  if (name === undefined || !VALUE.test(value)) throw new Error(`no sample: ${line}`)
  const pairs = [...labels.matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g)]
  const read = (text: string): string =>
    text.replace(/\\(.)/g, (_, each: string) => (each === 'n' ? '\n' : each))
  const entries = pairs.map(([, key = '', text = '']) => [key, read(text)] as const)
  if (new Set(entries.map(([key]) => key)).size < entries.length) {
    throw new Error(`one label twice: ${line}`)
  }
  const number = value.replace('Inf', 'Infinity')
  return { name, labels: Object.fromEntries(entries), value: Number(number) }
}

function belongs({ name, labels }: Sample, metric: string, type: string): boolean {
  if (type !== 'histogram' && type !== 'summary') return name === metric
  if (name === `${metric}_bucket`) return type === 'histogram' && 'le' in labels
  return name === `${metric}_sum` || name === `${metric}_count` || name === metric
}

/** What `promtool check metrics` asks of names: base units, `_total` of counters alone, a help. */
function checkName(name: string, { type, help, samples }: Family): void {
  // Those of the process have the names that all exporters for Node give them.
  if (!name.startsWith('runner_mesh_')) return
  if (help === '' || type === '') throw new Error(`${name} has no help or no type`)
  if ((type === 'counter') !== name.endsWith('_total')) {
    throw new Error(`${name} is a ${type}: counters end in _total, nothing else does`)
  }
  if (/_(?:ms|millis|milliseconds|minutes|kb|mb|gb|kib|mib|gib|percent)(?:_|$)/.test(name)) {
    throw new Error(`${name} is in no base unit`)
  }
  if (/[A-Z]/.test(name)) throw new Error(`${name} has capitals`)
  if (type === 'histogram') checkBuckets(name, samples)
}

function checkBuckets(name: string, samples: readonly Sample[]): void {
  const series = new Map<string, Sample[]>()
  for (const sample of samples.filter((each) => each.name === `${name}_bucket`)) {
    const { le: _le, ...others } = sample.labels
    const key = JSON.stringify(others)
    series.set(key, [...(series.get(key) ?? []), sample])
  }
  for (const buckets of series.values()) {
    const values = buckets.map(({ value }) => value)
    const isRising = values.every((value, index) => value >= (values[index - 1] ?? 0))
    if (!isRising || buckets.at(-1)?.labels['le'] !== '+Inf') {
      throw new Error(`buckets of ${name} do not add up`)
    }
  }
}

/** The one value of a series; throws where there is none, or another one. */
export function seriesValue(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {}
): number {
  const all = [...families.values()].flatMap(({ samples }) => samples)
  const wanted = Object.entries(labels)
  const found = all.filter(
    (sample) => sample.name === name && wanted.every(([key, value]) => sample.labels[key] === value)
  )
  const [one] = found
  if (one === undefined || found.length > 1) {
    throw new Error(`${found.length} series ${name} ${JSON.stringify(labels)}`)
  }
  return one.value
}
