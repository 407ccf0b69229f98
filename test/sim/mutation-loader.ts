import { readFileSync } from 'node:fs'
import type { LoadFnOutput, LoadHookContext } from 'node:module'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import type { Patch } from './mutation.ts'
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
  const { ESNext } = ts.ModuleKind
  const compilerOptions = { module: ESNext, target: ts.ScriptTarget.ES2022 }
  const { outputText } = ts.transpileModule(text, { compilerOptions })
  return { format: 'module', source: outputText, shortCircuit: true }
}

function patchesOf(url: string): readonly Patch[] {
  const path = fileURLToPath(url.split('?')[0] ?? url)
  return patches.filter(({ file }) => path === `${root}/${file}`)
}
