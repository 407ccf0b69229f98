import fc from 'fast-check'

/** Any text that JavaScript can hold, halves of characters included. */
export function arbitraryText(maxLength: number): fc.Arbitrary<string> {
  const units = fc.array(
    fc.oneof(
      fc.integer({ min: 0, max: 0xff }),
      fc.integer({ min: 0, max: 0xffff }),
      fc.constantFrom(0x202e, 0x2028, 0xd83d, 0xde00, 0xfeff, 0x0a, 0x0d)
    ),
    { maxLength }
  )
  return units.map((codes) => String.fromCharCode(...codes))
}
