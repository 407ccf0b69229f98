import { World } from './world.ts'
const args = process.argv.slice(2)
const option = (n: string, d: number) => { const i = args.indexOf(n); return i < 0 ? d : Number(args[i+1]) }
const first = option('--seed', 1), count = option('--seeds', 10)
const t0 = performance.now()
let bad = 0, ev = 0, sim = 0, ep = 0
for (let s = first; s < first + count; s++) {
  const r = new World(s).run()
  ev += r.events; sim += r.simulatedMs; ep = Math.max(ep, r.epochMax)
  if (r.violation) { bad++; process.stdout.write(`seed ${s}: ${r.violation} at ${r.simulatedMs}\n`); if (count === 1) process.stdout.write(r.last.join('\n') + '\n' + JSON.stringify(r.options) + '\n') }
  else if (count === 1) process.stdout.write(JSON.stringify({...r, last: 0}) + '\n')
}
process.stdout.write(`${count} seeds, ${bad} bad, ${ev} events, ${(sim/3.6e6).toFixed(2)} h, epochMax ${ep}, ${((performance.now()-t0)/1000).toFixed(1)} s\n`)
