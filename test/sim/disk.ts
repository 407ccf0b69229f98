import type { Timeline } from '../support/timeline.ts'

export interface Row {
  readonly value: unknown
  /** Sequence of the write. */
  readonly seq: number
  /** Its checksum is of another value. */
  readonly isFlipped?: boolean
}

interface Write {
  readonly key: string
  /** Undefined removes the row. */
  readonly value: unknown
  readonly seq: number
}

/** An old copy of everything: a backup, or a snapshot of the machine. */
export interface Backup {
  readonly rows: ReadonlyMap<string, Row>
  readonly seq: number
}

/**
 * One store with group commit: one batch in flight, the next one collects. What is not synced is
 * lost in a crash, but for a batch that had reached the disk already.
 */
export class Disk {
  readonly storeId: string
  readonly rows = new Map<string, Row>()
  readonly #timeline: Timeline
  readonly #onRow: (key: string, value: unknown, seq: number) => void
  #collecting: Write[] = []
  #inFlight: readonly Write[] = []
  #waiting: { readonly seq: number; readonly task: () => void }[] = []
  #seq = 0
  #synced = 0
  #life = 0
  syncMsMax = 5
  /** The next sync fails: the disk is broken. */
  failsNext = false
  /** As does every one, until there is room again. */
  isFull = false
  /** Nothing is taken any more in this life (D6). */
  hasFailed = false
  /** What is here is not what was promised, and whoever opens it can see that. */
  isRuined = false
  onFailure: () => void = () => undefined
  /** The process died in the middle of a batch, which was whole on the disk or not. */
  onTorn: (isWhole: boolean) => void = () => undefined

  constructor(
    storeId: string,
    timeline: Timeline,
    onRow: (key: string, value: unknown, seq: number) => void
  ) {
    this.storeId = storeId
    this.#timeline = timeline
    this.#onRow = onRow
  }

  /** Of the newest batch that is on the disk. */
  get syncedSeq(): number {
    return this.#synced
  }

  /** Writes in the order of the calls; gives the sequence to wait for. */
  put(key: string, value: unknown): number {
    return this.putAll([[key, value]])
  }

  /** All of them in one batch. */
  putAll(rows: readonly (readonly [string, unknown])[]): number {
    for (const [key, value] of rows) {
      this.#seq += 1
      this.#collecting.push({ key, value, seq: this.#seq })
    }
    if (this.#inFlight.length === 0) this.#commit()
    return this.#seq
  }

  /** Runs `task` once all up to `seq` is synced; never, where the process dies before. */
  whenSynced(seq: number, task: () => void): void {
    if (seq <= this.#synced) task()
    else this.#waiting.push({ seq, task })
  }

  read(key: string): unknown {
    return this.rows.get(key)?.value
  }

  keys(prefix: string): readonly string[] {
    return [...this.rows.keys()].filter((key) => key.startsWith(prefix))
  }

  /** The process ends: a torn tail is dropped as a whole batch, or was whole already. */
  crash(): void {
    const batch = this.#inFlight
    const isWhole = this.#timeline.random() < 0.5
    this.#forget()
    if (batch.length > 0) {
      this.onTorn(isWhole)
      if (isWhole) this.#apply(batch)
    }
    this.#seq = this.#synced
    this.hasFailed = false
    this.failsNext = false
  }

  /** One record is another one now, and its checksum is not: nobody has it open. */
  flipBit(): boolean {
    const names = this.keys('r/')
    const name = names[Math.floor(this.#timeline.random() * names.length)]
    const row = name === undefined ? undefined : this.rows.get(name)
    if (name === undefined || row === undefined) return false
    const { record } = row.value as { readonly record: object }
    const flipped = { ...record, accepted: undefined }
    const value = { ...(row.value as object), record: flipped }
    this.rows.set(name, { ...row, value, isFlipped: true })
    return true
  }

  /** Checks every record at open, since the database itself would not (4.8). */
  open(): void {
    if ([...this.rows.values()].some(({ isFlipped }) => isFlipped === true)) this.isRuined = true
  }

  backup(): Backup {
    return { rows: new Map(this.rows), seq: this.#synced }
  }

  /** While no process has it open. */
  restore({ rows, seq }: Backup): void {
    this.rows.clear()
    for (const [key, row] of rows) this.rows.set(key, row)
    this.#synced = seq
    this.#seq = seq
  }

  #forget(): void {
    this.#life += 1
    this.#inFlight = []
    this.#collecting = []
    this.#waiting = []
  }

  #commit(): void {
    if (this.#collecting.length === 0 || this.hasFailed) return
    this.#inFlight = this.#collecting
    this.#collecting = []
    const life = this.#life
    this.#timeline.after(this.#timeline.random() * this.syncMsMax, () => {
      if (life === this.#life) this.#finish()
    })
  }

  #finish(): void {
    if (this.failsNext || this.isFull) {
      this.hasFailed = true
      this.#waiting = []
      this.onFailure()
      return
    }
    const batch = this.#inFlight
    this.#inFlight = []
    this.#apply(batch)
    const due = this.#waiting.filter(({ seq }) => seq <= this.#synced)
    this.#waiting = this.#waiting.filter(({ seq }) => seq > this.#synced)
    this.#commit()
    for (const { task } of due) task()
  }

  #apply(batch: readonly Write[]): void {
    for (const { key, value, seq } of batch) {
      if (value === undefined) this.rows.delete(key)
      else this.rows.set(key, { value, seq })
      this.#onRow(key, value, seq)
    }
    this.#synced = batch.at(-1)?.seq ?? this.#synced
  }
}
