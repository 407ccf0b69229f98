/*
 * What a store keeps in memory so that it need not ask its disk.
 */

/**
 * Bytes of the filter that knows which registers and tombstones a store has none of: 16 bits for
 * each of two million, so that about one in 200 of those that are not there is looked up in vain.
 * Above that more are, and nothing else changes.
 */
export const ROW_FILTER_BYTES = 4_194_304
/**
 * Bytes that LevelDB collects before it makes tables of them, held twice at most. A register is
 * written several times within a second: with LevelDB's own 4 MiB most of its versions would go to
 * tables, be merged there, and hold up commits meanwhile.
 */
export const STORE_BUFFER_BYTES = 16_777_216
