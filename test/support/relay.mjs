// Passes on what comes to one address to another one: node relay.mjs ADDRESS PORT TO TO_PORT
import { connect, createServer } from 'node:net'

const [address, port, to, toPort] = process.argv.slice(2)
const server = createServer((here) => {
  const there = connect(Number(toPort), to)
  here.pipe(there).pipe(here)
  for (const socket of [here, there]) {
    socket.on('error', () => {
      here.destroy()
      there.destroy()
    })
  }
})
server.listen(Number(port), address, () => process.stdout.write('listening\n'))
