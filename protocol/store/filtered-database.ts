import type { Database, StoreOp } from './database.ts'
import type { RowFilter } from './row-filter.ts'

/**
 * The same database, which answers for a register or tombstone that it has never had without a
 * turn through LevelDB's threads: each new register is looked up twice, in vain. `filter` holds the
 * keys that are there; every write goes through here, or a row that is there would be denied.
 */
export function filteredDatabase(database: Database, filter: RowFilter): Database {
  return {
    get: (key) => {
      return isFiltered(key) && !filter.mayHold(key) ? ABSENT : database.get(key)
    },
    iterator: (range) => database.iterator(range),
    close: () => database.close(),
    batch: (operations, options) => {
      // Before the write: a read beside it may find its rows at once.
      for (const operation of operations) note(filter, operation)
      return database.batch(operations, options)
    }
  }
}

/** Keys of r/ and t/, all of which the check at a start visits. */
export function isFiltered(key: string): boolean {
  return key.startsWith('r/') || key.startsWith('t/')
}

function note(filter: RowFilter, { type, key }: StoreOp): void {
  if (type === 'put' && isFiltered(key)) filter.add(key)
}

const ABSENT = Promise.resolve(undefined)
