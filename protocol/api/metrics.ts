import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { MeshError } from '../core/errors.ts'
import { METRICS_BYTES_MAX, METRICS_SERIES_MAX } from '../core/metrics-limits.ts'

/** Values by the names of their labels. */
export type Labels = Readonly<Record<string, string>>

/** One series at the moment of a scrape; nothing is shown of one whose value is not known. */
export interface Reading {
  readonly labels?: Labels | undefined
  readonly value: number | undefined
}

export interface MetricName {
  /** Without the prefix: `agent_jobs_held`, in base units. */
  readonly name: string
  readonly help: string
  readonly labels?: readonly string[] | undefined
}

/** Media type of what `Metrics.text` gives: the text format of Prometheus. */
export const METRICS_TYPE = Registry.PROMETHEUS_CONTENT_TYPE

const PREFIX = 'runner_mesh_'
const OTHER = 'other'

/** What one process tells about itself in the text format of Prometheus. */
export class Metrics {
  readonly #registry = new Registry()

  /** With the figures of the process itself beside: memory, processor, delay of the event loop. */
  static ofProcess(): Metrics {
    const metrics = new Metrics()
    collectDefaultMetrics({ register: metrics.#registry })
    return metrics
  }

  /** Read at each scrape, METRICS_SERIES_MAX of what `read` gives at most. */
  gauge(metric: MetricName, read: () => readonly Reading[]): void {
    const { labels = [] } = metric
    new Gauge({
      ...this.#named(metric),
      collect() {
        this.reset()
        // Without labels a reset one is 0, which nobody has said.
        if (labels.length === 0) this.remove()
        for (const { labels: values = {}, value } of read().slice(0, METRICS_SERIES_MAX)) {
          if (value !== undefined) this.set({ ...values }, value)
        }
      }
    })
  }

  /** The same for one value. */
  value(name: string, help: string, read: () => number | undefined): void {
    this.gauge({ name, help }, () => [{ value: read() }])
  }

  /**
   * Counts from the start of the process; the returned function counts one more. What `labels` can
   * be said to be beforehand is shown from the start, since a count of 0 is known.
   */
  counter(metric: MetricName, known: readonly Labels[] = []): (labels?: Labels) => void {
    const counter = new Counter(this.#named(metric))
    const seen = new Set(known.map((labels) => JSON.stringify(labels)))
    for (const labels of known) counter.inc({ ...labels }, 0)
    return (labels = {}) => {
      const key = JSON.stringify(labels)
      if (seen.size >= METRICS_SERIES_MAX && !seen.has(key)) {
        counter.inc(Object.fromEntries(Object.keys(labels).map((name) => [name, OTHER])))
        return
      }
      seen.add(key)
      counter.inc({ ...labels })
    }
  }

  /** The returned function takes one value; `buckets` are their upper bounds. */
  histogram(
    metric: MetricName,
    buckets: readonly number[]
  ): (value: number, labels?: Labels) => void {
    const histogram = new Histogram({ ...this.#named(metric), buckets: [...buckets] })
    return (value, labels = {}) => histogram.observe({ ...labels }, value)
  }

  /** One scrape. Throws OVERLOADED above METRICS_BYTES_MAX. */
  async text(): Promise<string> {
    const text = await this.#registry.metrics()
    if (Buffer.byteLength(text) <= METRICS_BYTES_MAX) return text
    throw new MeshError('OVERLOADED', { what: 'the answer with metrics', max: METRICS_BYTES_MAX })
  }

  #named({ name, help, labels = [] }: MetricName) {
    const registers = [this.#registry]
    return { name: `${PREFIX}${name}`, help, labelNames: [...labels], registers }
  }
}

/** One series a word, of which one holds now. */
export function stateSet(label: string, words: readonly string[], now: string): readonly Reading[] {
  return words.map((word) => ({ labels: { [label]: word }, value: word === now ? 1 : 0 }))
}

/** One series a word with how many there are of it, those of which there are none as well. */
export function counted(
  label: string,
  words: readonly string[],
  seen: Iterable<string>
): readonly Reading[] {
  const counts = new Map(words.map((word) => [word, 0]))
  for (const word of seen) counts.set(word, (counts.get(word) ?? 0) + 1)
  return [...counts].map(([word, value]) => ({ labels: { [label]: word }, value }))
}

/** Seconds of milliseconds. */
export function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1_000
}
