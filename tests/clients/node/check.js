// Two clients of npm: msgpack5rpc (streams, callbacks) and msgpack-rpc-lite (sockets, promises).
'use strict';
const assert = require('assert');
const fs = require('fs');
const net = require('net');
const Session = require('msgpack5rpc');
const lite = require('msgpack-rpc-lite');

const port = Number(process.env.WAYANG_TCP_PORT);
const plugin = fs.readFileSync(process.env.WAYANG_PLUGIN);

function ok(where, what) {
  console.log(`ok ${where} ${what}`);
}

/** A promise of each call; a refusal rejects with the error map. */
function withStreams(socket) {
  const session = new Session();
  session.attach(socket, socket);
  return (method, ...params) => new Promise((resolve, reject) =>
    session.request(method, params, (error, result) => (error ? reject(error) : resolve(result))));
}

function withLite(options) {
  const client = new lite.Client(options);
  const call = async (method, ...params) => (await client.request(method, ...params))[0];
  call.close = () => client.close();
  return call;
}

async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('was not refused');
}

async function check(where, call, name) {
  const image = await call('image.put', { kind: 'c', data: plugin, name });
  assert.ok(image.functions.includes('echo'));
  const result = await call('task.run', { kind: 'call', image: name, function: 'echo', data: Buffer.from('hello') });
  assert.strictEqual(result.state, 'succeeded');
  assert.strictEqual(result.output.toString(), 'hello');
  ok(where, 'call');

  const command = await call('task.run', { kind: 'exec', argv: ['/bin/sh', '-c', 'cat; exit 4'], stdin: Buffer.from('in') });
  assert.deepStrictEqual([command.state, command.cause.type, command.cause.code], ['failed', 'exit', 4]);
  assert.strictEqual(command.stdout.toString(), 'in');
  ok(where, 'command');

  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) =>
    call('task.run', { kind: 'call', image: name, function: 'echo', data: Buffer.from(`${where} ${i}`) })));
  answers.forEach((answer, i) => assert.strictEqual(answer.output.toString(), `${where} ${i}`));
  ok(where, 'pipeline');

  const unknown = await refusal(call('task.run', { kind: 'call', image: name, funktion: 'echo' }));
  assert.strictEqual(unknown.code, 'invalid_argument');
  assert.strictEqual(unknown.field, 'funktion');
  assert.strictEqual((await refusal(call('nvim_set_client_info', 'x', {}, 'remote', {}, {}))).code, 'unknown_operation');
  assert.ok((await call('node.info')).version);
  ok(where, 'error');

  const large = Buffer.alloc(2 << 20, 'wayang');
  const back = await call('task.run', { kind: 'call', image: name, function: 'echo', data: large });
  assert.ok(large.equals(back.output));
  ok(where, 'large');
}

async function enter(where, call) {
  assert.strictEqual((await refusal(call('node.info'))).code, 'unauthenticated');
  assert.strictEqual((await refusal(call('session.open', { token: 'wrong' }))).code, 'unauthenticated');
  ok(where, 'refused');
  assert.ok((await call('session.open', { token: process.env.WAYANG_TEST_TOKEN })).identity);
}

async function main() {
  const unix = net.connect(process.env.WAYANG_SOCKET);
  await check('msgpack5rpc unix', withStreams(unix), 'node1');
  unix.end();

  const tcp = net.connect(port, '127.0.0.1');
  const call = withStreams(tcp);
  await enter('msgpack5rpc tcp', call);
  await check('msgpack5rpc tcp', call, 'node2');
  tcp.end();

  const client = withLite({ port, host: '127.0.0.1' });
  await enter('msgpack-rpc-lite tcp', client);
  await check('msgpack-rpc-lite tcp', client, 'node3');
  client.close();
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
