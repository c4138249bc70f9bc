import { parseIp, formatIp } from "../../core/index.js";

/** A query as a stub resolver writes it. */
export function dnsQuery(name: string, type: number, change: { flags?: number; edns?: number; questions?: number; class?: number } = {}): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(0x1234, 0);
  header.writeUInt16BE(change.flags ?? 0x0100, 2);
  header.writeUInt16BE(change.questions ?? 1, 4);
  header.writeUInt16BE(change.edns === undefined ? 0 : 1, 10);
  const labels = name === "" ? [] : name.split(".").map((l) => Buffer.concat([Buffer.from([l.length]), Buffer.from(l, "latin1")]));
  const tail = Buffer.from([0, type >> 8, type & 0xff, 0, change.class ?? 1]);
  const opt = change.edns === undefined ? [] : [Buffer.from([0, 0, 41, change.edns >> 8, change.edns & 0xff, 0, 0, 0x80, 0, 0, 0])];
  return Buffer.concat([header, ...labels, tail, ...opt]);
}

export interface DnsAnswer { readonly id: number; readonly code: number; readonly cut: boolean; readonly values: readonly string[] }

/** An answer with plain names, as our server writes it: addresses and names in order. */
export function readDnsAnswer(message: Buffer): DnsAnswer {
  const flags = message.readUInt16BE(2), values: string[] = [];
  let at = 12;
  while (message[at] !== 0) at += 1 + message[at]!;
  at += 5;
  for (let left = message.readUInt16BE(6); left > 0; left--) {
    const type = message.readUInt16BE(at + 2), length = message.readUInt16BE(at + 10), data = message.subarray(at + 12, at + 12 + length);
    at += 12 + length;
    if (type === 12) values.push(nameOf(data));
    else values.push(formatIp({ family: type === 1 ? 4 : 6, value: BigInt(`0x${data.toString("hex")}`) }));
  }
  return { id: message.readUInt16BE(0), code: flags & 0xf, cut: (flags & 0x200) !== 0, values };
}
function nameOf(data: Buffer): string {
  const labels: string[] = [];
  for (let at = 0; data[at] !== 0; at += 1 + data[at]!) labels.push(data.toString("latin1", at + 1, at + 1 + data[at]!));
  return labels.join(".");
}

/** Answers a query for one address, as another name server would. */
export function dnsReply(query: Buffer, address: string): Buffer {
  const ip = parseIp(address);
  const head = Buffer.from(query);
  head.writeUInt16BE(0x8180, 2);
  head.writeUInt16BE(1, 6);
  head.writeUInt16BE(0, 10);
  let end = 12;
  while (head[end] !== 0) end += 1 + head[end]!;
  const data = Buffer.from(ip!.value.toString(16).padStart(ip!.family === 4 ? 8 : 32, "0"), "hex");
  return Buffer.concat([head.subarray(0, end + 5), Buffer.from([0xc0, 12, 0, ip!.family === 4 ? 1 : 28, 0, 1, 0, 0, 0, 60, 0, data.length]), data]);
}

/** Programs for Node: a name server that knows one address; a stub resolver; a query over TCP. */
export const dnsServer = (listen: string, address: string): string =>
  `const reply=(m)=>{let e=12;while(m[e])e+=1+m[e];const h=Buffer.from(m.subarray(0,e+5));h.writeUInt16BE(0x8180,2);h.writeUInt16BE(1,6);h.writeUInt16BE(0,10);return Buffer.concat([h,Buffer.from([0xc0,12,0,1,0,1,0,0,0,60,0,4,${address.replaceAll(".", ",")}])])};` +
  `const s=require("dgram").createSocket("udp4");s.on("message",(m,r)=>s.send(reply(m),r.port,r.address));` +
  `require("net").createServer((c)=>c.on("data",(d)=>{const a=reply(d.subarray(2));c.write(Buffer.concat([Buffer.from([0,a.length]),a]))})).listen(53,"${listen}",()=>s.bind(53,"${listen}",()=>console.log("up")))`;
export const resolveBy = (verb: string, name: string): string =>
  `const r=new (require("dns").Resolver)({timeout:1000,tries:2});r.setServers(["127.0.0.11"]);r.${verb}("${name}",(e,a)=>console.log(e?e.code:a.join(" ")))`;
export const overTcp = (name: string): string =>
  `const q=Buffer.from("${dnsQuery(name, 1).toString("hex")}","hex"),s=require("net").connect(53,"127.0.0.11",()=>s.write(Buffer.concat([Buffer.from([0,q.length]),q])));s.on("data",(d)=>{console.log([...d.subarray(-4)].join("."));s.end()})`;
