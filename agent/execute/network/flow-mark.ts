/**
 * A bit of the kernel's mark of a connection: that our rules have let it out. Marks of packets,
 * which routing tables of others go by, are not touched.
 */
export const OURS = '0x10000000'
