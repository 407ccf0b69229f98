import '../../protocol/host/node20.ts'
import { unlikeHosts } from './hosts.ts'
import { jobsOf } from './jobs.ts'
import { bestFit } from './best-fit.ts'
import { SimulatedMesh } from './mesh.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { doneBy, coreMs } from './placed.ts'
const n = Number(process.argv[2] ?? 200), m = Number(process.argv[3] ?? 5000)
const r = new SeededRandom(1)
const hosts = unlikeHosts(n, r); const jobs = jobsOf(m, 20, r)
let t = Date.now(); const lap=(s:string)=>{console.log(s, Date.now()-t); t=Date.now()}
const cap = hosts.reduce((a,h)=>a+h.capacity.cpuMilli,0)
console.log('cores',cap/1000,'work/cap s', jobs.reduce((a,j)=>a+coreMs(j),0)/cap/1000)
const off = bestFit(hosts, jobs); lap('offline')
console.log('off end', off.endMs/1000)
const mesh = new SimulatedMesh(hosts,{seed:1})
const p = mesh.play(jobs); lap('mesh')
console.log('end',p.endMs/1000, p.placed.length, 'ratio', doneBy(p.placed, off.endMs), 'claims',mesh.claims,'contended',mesh.contended)
const byArch = (a:string)=>{const c=hosts.filter(h=>h.platforms.some(p=>p.native&&p.name===a)).reduce((x,h)=>x+h.capacity.cpuMilli,0); const w=jobs.filter(j=>j.spec.platform===a).reduce((x,j)=>x+coreMs(j),0); return [a,c/1000,w/c/1000]}
console.log(['linux/amd64','linux/arm64','linux/riscv64'].map(byArch))
const late=p.placed.toSorted((a,b)=>b.endMs-a.endMs).slice(0,8)
for(const l of late) console.log(l.startMs/1000|0,(l.endMs-l.startMs)/1000|0,l.work.spec.platform,l.work.spec.resources.cpuMilli,l.work.nativeMs/1000|0)
const w=p.placed.map(x=>x.startMs-x.work.announcedAtMs).sort((a,b)=>b-a); console.log('waits max',w[0]/1000,'p50',w[w.length>>1]/1000)
console.log('emulated', p.placed.filter(x=>x.endMs-x.startMs>x.work.nativeMs*2).length)
