// Fetches one URL through a proxy with undici and writes the body to standard
// output: get.mjs VERSION PROXY CA URL, where VERSION is h1 or h2.
import { readFileSync } from "node:fs";
import { ProxyAgent, request } from "undici";

const [version, proxy, ca, url] = process.argv.slice(2);
const dispatcher = new ProxyAgent({
  uri: proxy,
  requestTls: { ca: readFileSync(ca), allowH2: version === "h2" },
  allowH2: version === "h2",
});
const answer = await request(url, { dispatcher });
if (answer.statusCode !== 200) {
  throw new Error(`status ${answer.statusCode}`);
}
process.stdout.write(Buffer.from(await answer.body.arrayBuffer()));
await dispatcher.close();
