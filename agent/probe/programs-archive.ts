const BLOCK_BYTES = 512
/** Name, mode, owner, group, size, time: octal text, each at its place in a header (tar(5)). */
const MODE = '0000755\0'
const NOBODYS = '0000000\0'
const EPOCH = '00000000000\0'

/** A tar archive (ustar) of programs that everybody may run. Names are plain ASCII, at most 99. */
export function programsArchive(programs: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const entries = Object.entries(programs).flatMap(([name, bytes]) => [
    header(name, bytes.length),
    bytes,
    new Uint8Array(-bytes.length & (BLOCK_BYTES - 1))
  ])
  return Buffer.concat([...entries, new Uint8Array(2 * BLOCK_BYTES)])
}

function header(name: string, size: number): Uint8Array {
  const block = Buffer.alloc(BLOCK_BYTES)
  block.write(name, 0)
  block.write(MODE + NOBODYS + NOBODYS, 100)
  block.write(`${size.toString(8).padStart(11, '0')}\0${EPOCH}`, 124)
  // The sum is taken with spaces in its own place; then the type: a plain file.
  block.write('        0', 148)
  block.write('ustar\x0000', 257)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}
