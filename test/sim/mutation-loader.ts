import { readFileSync } from 'node:fs'
import type { LoadFnOutput, LoadHookContext } from 'node:module'
import { fileURLToPath } from 'node:url'
import { transformSync } from 'esbuild'
import type { Patch } from './mutations.ts'
import { patched } from './patch.ts'

let patches: readonly Patch[] = []
let root = ''

/** Called by node once, with what `register` was given. */
export function initialize(data: { readonly patches: readonly Patch[]; readonly root: string }) {
  patches = data.patches
  root = data.root
}

/** Loads a patched file in place of the one on the disk. */
export async function load(
  url: string,
  context: LoadHookContext,
  nextLoad: (url: string, context: LoadHookContext) => Promise<LoadFnOutput>
): Promise<LoadFnOutput> {
  const own = url.startsWith('file:') ? patchesOf(url) : []
  if (own.length === 0) return await nextLoad(url, context)
  const text = patched(readFileSync(fileURLToPath(url), 'utf8'), own)
  const { code } = transformSync(text, { loader: 'ts', format: 'esm', target: 'es2023' })
  return { format: 'module', source: code, shortCircuit: true }
}

function patchesOf(url: string): readonly Patch[] {
  const path = fileURLToPath(url.split('?')[0] ?? url)
  return patches.filter(({ file }) => path === `${root}/${file}`)
}
