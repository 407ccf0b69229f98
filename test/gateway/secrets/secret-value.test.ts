import { expect, test } from 'vitest'
import { readSecretValue } from '../../../gateway/secrets/secret-value.ts'
import { SECRET_BYTES_MAX } from '../../../protocol/core/secret-limits.ts'

async function* inputOf(...parts: readonly (string | Uint8Array)[]) {
  yield* parts
}

async function read(...parts: readonly (string | Uint8Array)[]): Promise<string> {
  return (await readSecretValue(inputOf(...parts), 'TOKEN')).toString()
}

test('one line end at the very end is dropped, everything else is kept', async () => {
  expect(await read('abcd\n')).toBe('abcd')
  expect(await read('abcd\r\n')).toBe('abcd')
  expect(await read('abcd\n\n')).toBe('abcd\n')
  expect(await read(' ab', 'cd ', '\nefgh')).toBe(' abcd \nefgh')
  expect(await read('ä'.repeat(SECRET_BYTES_MAX / 2), '\n')).toHaveLength(SECRET_BYTES_MAX / 2)
})

test.each([
  ['too short to be masked', ['abc\n']],
  ['white space', ['      \n']],
  ['empty', []],
  ['too long', ['a'.repeat(SECRET_BYTES_MAX + 1)]],
  ['endless', Array.from({ length: 100 }, () => 'a'.repeat(SECRET_BYTES_MAX))],
  ['not UTF-8', [new Uint8Array([0xff, 0xfe, 0x61, 0x62, 0x63])]],
  ['cut by a NUL', ['abcd\0efgh']]
])('a value that is %s is refused, and not repeated', async (_, parts) => {
  const error = await read(...parts).catch((each: unknown) => each)

  expect(error).toMatchObject({ code: 'SECRET_INVALID', facts: { name: 'TOKEN' } })
  expect(String(error)).not.toContain('efgh')
})

test('nothing is read from a terminal: what is typed is seen', async () => {
  const terminal = Object.assign(inputOf('abcd\n'), { isTTY: true })

  await expect(readSecretValue(terminal, 'TOKEN')).rejects.toMatchObject({ code: 'USAGE' })
  await expect(readSecretValue(undefined, 'TOKEN')).rejects.toMatchObject({ code: 'USAGE' })
})
