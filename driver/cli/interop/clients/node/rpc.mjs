// Calls the test service through a proxy and prints each outcome on a line:
// rpc.mjs CA|- HOST:PORT. The proxy comes from https_proxy or http_proxy; with
// "-" instead of a CA the calls go without TLS.
import { readFileSync } from "node:fs";
import grpc from "@grpc/grpc-js";

const [ca, target] = process.argv.slice(2);
const credentials = ca === "-" ? grpc.credentials.createInsecure() : grpc.credentials.createSsl(readFileSync(ca));
const client = new grpc.Client(target, credentials);
const same = (bytes) => bytes;
const path = (name) => "/test.Echo/" + name;

function unary(name, message, metadata = new grpc.Metadata()) {
  return new Promise((done) => {
    const outcome = {};
    const call = client.makeUnaryRequest(path(name), same, same, Buffer.from(message), metadata, (error, answer) => {
      outcome.error = error;
      outcome.answer = answer;
    });
    call.on("metadata", (m) => (outcome.initial = m));
    call.on("status", (s) => {
      outcome.trailing = s.metadata;
      setImmediate(() => done(outcome));
    });
  });
}

function stream(call) {
  return new Promise((done) => {
    const messages = [];
    let error;
    call.on("data", (m) => messages.push(m.toString()));
    call.on("error", (e) => (error = e));
    call.on("status", () => setImmediate(() => done({ messages, error })));
  });
}

const metadata = new grpc.Metadata();
metadata.set("asked-bin", Buffer.from([0, 255]));
const first = await unary("Unary", "hello", metadata);
if (first.error) throw first.error;
console.log("unary", first.answer.toString(), first.initial.get("got-bin")[0].toString("hex"), first.trailing.get("end")[0]);
for (const code of [5, 14, 16]) {
  const { error } = await unary("Fail", String(code));
  console.log("fail", error.code, error.details);
}
const five = await stream(client.makeServerStreamRequest(path("Stream"), same, same, Buffer.from("5")));
console.log("stream", ...five.messages);
const two = await stream(client.makeServerStreamRequest(path("StreamThenFail"), same, same, Buffer.from("2")));
for (const m of two.messages) console.log("got", m);
console.log("fail", two.error.code, two.error.details);
const bidi = client.makeBidiStreamRequest(path("Bidi"), same, same);
const echoed = stream(bidi);
for (const m of ["a", "b", "c"]) bidi.write(Buffer.from(m));
bidi.end();
console.log("bidi", ...(await echoed).messages);
console.log("large", (await unary("Unary", "x".repeat(3_000_000))).answer.length);
client.close();
