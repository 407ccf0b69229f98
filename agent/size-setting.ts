import { z } from 'zod'

/** Bytes, or a text such as `8GiB`. */
export const sizeSchema = z
  .union([z.number().int().positive(), z.string()])
  .transform((value, context) => {
    const bytes = typeof value === 'number' ? value : parseSize(value)
    if (bytes !== undefined) return bytes
    context.addIssue({ code: 'custom', message: 'use a size such as 512MiB or 8GiB' })
    return z.NEVER
  })

const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40
}

function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?i?B)$/i.exec(text.trim())
  const unit = UNITS[match?.[2]?.toUpperCase() ?? '']
  return match === null || unit === undefined ? undefined : Math.floor(Number(match[1]) * unit)
}
