import { onTestFinished } from 'vitest'
import { MemoryMesh, type MemoryMeshOptions } from './memory-mesh.ts'

/** A mesh in memory that is stopped when the test ends. */
export async function openMesh(options: MemoryMeshOptions = {}): Promise<MemoryMesh> {
  const mesh = await MemoryMesh.open(options)
  onTestFinished(() => mesh.stop())
  return mesh
}
