// Asks for /x over TLS: get.mjs PORT HOST CA, where the CA "-" verifies nothing.
import fs from "node:fs";
import tls from "node:tls";

const [port, host, ca] = process.argv.slice(2);
const trust = ca === "-" ? { rejectUnauthorized: false } : { ca: fs.readFileSync(ca) };
const socket = tls.connect({ port: Number(port), host: "127.0.0.1", servername: host, timeout: 20000, ALPNProtocols: ["http/1.1"], ...trust }, () => {
  socket.write(`GET /x HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
});
socket.on("data", (data) => process.stdout.write(data));
socket.on("timeout", () => socket.destroy(new Error("timeout")));
socket.on("error", (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
