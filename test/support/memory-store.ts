import type { WitnessStore } from '../../protocol/core/ports.ts'
import type { MeshStore } from '../../protocol/store/mesh-store.ts'

/** A WitnessStore on Maps: the port's rules in their plainest form. */
export declare function memoryWitnessStore(storeId: string): WitnessStore

export interface MemoryStoreOptions {
  readonly storeId?: string | undefined
}

/** A whole MeshStore on memory-level: the real classes over a database that forgets. */
export declare function openMemoryStore(options?: MemoryStoreOptions): Promise<MeshStore>
