#!/usr/bin/env node
// The workflow of workflow.py over gRPC: one session carries all its tasks in and their ends out (TaskSession, docs/grpc.md).
//
//     WAYANG_GRPC=127.0.0.1:7802 WAYANG_TOKEN=... NODE_PATH=... node workflow.js TEXT
//
// Needs @grpc/grpc-js and @grpc/proto-loader. The last line of the output is JSON: each task and how it ended.
'use strict';
const assert = require('assert');
const fs = require('fs');
const path = require('path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const PIECES = 8;
const COUNT = "tr -cs A-Za-z '\\n' | tr A-Z a-z | sort | uniq -c";
const ADD_UP = "awk '{n[$2] += $1} END {for (w in n) print n[w], w}'";
const PROTO = path.join(__dirname, '../../src/Wayang.Fast.Contracts/Proto');

function connect() {
  const definition = loader.loadSync('wayang/runtime/v1/runtime.proto', { includeDirs: [PROTO], keepCase: true, longs: Number });
  const { Runtime } = grpc.loadPackageDefinition(definition).wayang.runtime.v1;
  return new Runtime(process.env.WAYANG_GRPC, grpc.credentials.createInsecure(), { 'grpc.max_receive_message_length': -1 });
}

/** Many tasks on one stream, never more of them than its window lets. */
class Session {
  constructor(client, token) {
    const metadata = new grpc.Metadata();
    metadata.set('authorization', `Bearer ${token}`);
    this.pending = new Map();
    this.waiting = [];
    this.free = 0;
    this.next = 0;
    this.ended = {};
    this.stream = client.TaskSession(metadata);
    this.stream.on('data', (reply) => this.take(reply));
    this.closed = new Promise((resolve, reject) => this.stream.on('end', resolve).on('error', reject));
    this.closed.catch((error) => this.pending.forEach(({ reject }) => reject(error)));
  }

  /** The number of a task that is on its way, and its result once it ended. */
  run(submit) {
    const number = this.next++;
    const result = new Promise((resolve, reject) => this.pending.set(number, { resolve, reject }));
    this.waiting.push({ number, submit });
    this.send();
    return { number, result };
  }

  cancel(number) {
    this.stream.write({ number, cancel: true });
  }

  async close() {
    this.stream.end();
    await this.closed;
  }

  send() {
    for (; this.free > 0 && this.waiting.length > 0; this.free--) this.stream.write(this.waiting.shift());
  }

  take({ window, number, ended, refused }) {
    if (window) {
      this.free = window;
    } else {
      const { resolve, reject } = this.pending.get(number);
      this.pending.delete(number);
      this.free++;
      if (refused) reject(new Error(`${refused.code}: ${refused.message}`));
      else resolve(ended);
      if (ended) this.ended[ended.task] = ended.state;
    }
    this.send();
  }
}

function command(script, stdin, more = {}) {
  return { kind: 'exec', argv: ['/bin/sh', '-c', script], stdin: Buffer.from(stdin ?? ''), durable: true, group: 'workflow-js', ...more };
}

async function outputOf({ result }) {
  const end = await result;
  assert.strictEqual(end.state, 'succeeded', `${end.task}: ${end.state}, ${JSON.stringify(end.cause)}, ${end.stderr}`);
  return end.stdout;
}

function piecesOf(text, count) {
  const lines = text.split(/(?<=\n)/);
  const size = Math.max(1, Math.ceil(lines.length / count));
  return Array.from({ length: Math.ceil(lines.length / size) }, (_, i) => lines.slice(i * size, (i + 1) * size).join(''));
}

async function main(text) {
  const client = connect();
  const session = new Session(client, process.env.WAYANG_TOKEN);
  const obsolete = session.run(command('sleep 600'));

  // What it waits for is not there for half a second: the node tries again.
  const ready = Date.now() + 500;
  const source = session.run(command(`test $(($(date +%s%N) / 1000000)) -ge ${ready}`, '', { retry: { max_attempts: 10, backoff_ms: 100, on: ['exit'] } }));
  await outputOf(source);
  const { attempt } = await source.result;
  assert.ok(attempt > 1, 'nothing was tried again');

  const pieces = piecesOf(text, PIECES);
  const counts = await Promise.all(pieces.map((piece) => outputOf(session.run(command(COUNT, piece)))));
  const sum = (await outputOf(session.run(command(ADD_UP, Buffer.concat(counts))))).toString();
  const sums = new Map(sum.split('\n').map((line) => line.trim().split(' ')).filter((pair) => pair.length === 2).map(([count, word]) => [word, Number(count)]));

  const here = new Map();
  for (const word of text.toLowerCase().match(/[a-z]+/g)) here.set(word, (here.get(word) ?? 0) + 1);
  assert.deepStrictEqual([...sums].sort(), [...here].sort(), 'the node counted otherwise than this program');

  session.cancel(obsolete.number);
  assert.strictEqual((await obsolete.result).state, 'cancelled');
  await session.close();
  client.close();

  const words = [...here.values()].reduce((all, count) => all + count, 0);
  console.log(`workflow.js   ${pieces.length} pieces counted and added up: ${words.toLocaleString('en')} words, ${here.size.toLocaleString('en')} different, as counted here; `
    + `the source was there at attempt ${attempt}; 1 step cancelled`);
  console.log(JSON.stringify(session.ended));
}

main(fs.readFileSync(process.argv[2], 'latin1')).then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
