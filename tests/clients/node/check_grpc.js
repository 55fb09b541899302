// npm's @grpc/grpc-js, which reads the proto files itself.
'use strict';
const assert = require('assert');
const fs = require('fs');
const path = require('path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const proto = path.join(__dirname, '../../../src/Wayang.Fast.Contracts/Proto');
const definition = loader.loadSync('wayang/runtime/v1/runtime.proto', { includeDirs: [proto], keepCase: true, longs: Number });
const { Runtime } = grpc.loadPackageDefinition(definition).wayang.runtime.v1;
const options = { 'grpc.max_receive_message_length': -1 };

function ok(where, what) {
  console.log(`ok ${where} ${what}`);
}

function withToken(token) {
  const metadata = new grpc.Metadata();
  if (token) metadata.set('authorization', `Bearer ${token}`);
  return metadata;
}

/** A promise of each call; a refusal rejects with the error. */
function caller(client, token) {
  return (method, request, more = {}) => new Promise((resolve, reject) =>
    client[method](request, withToken(token), { deadline: Date.now() + (more.timeout ?? 30000) }, (error, answer) => (error ? reject(error) : resolve(answer))));
}

async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('was not refused');
}

function reasonOf(error) {
  return Buffer.concat(error.metadata.get('grpc-status-details-bin')).toString('latin1');
}

function submitMany(client, token, batches) {
  return new Promise((resolve, reject) => {
    const stream = client.TaskSubmitMany(withToken(token), (error, answer) => (error ? reject(error) : resolve(answer.tasks)));
    batches.forEach((tasks) => stream.write({ tasks }));
    stream.end();
  });
}

async function follow(client, token, request) {
  const pieces = [];
  for await (const piece of client.TaskFollow(request, withToken(token))) pieces.push(piece.data);
  return Buffer.concat(pieces).toString();
}

/** Sends tasks as long as the window is open; the replies of each, by its number. */
function converse(client, token, requests) {
  return new Promise((resolve, reject) => {
    const stream = client.TaskSession(withToken(token));
    const told = new Map();
    let [free, next] = [0, 0];
    const fill = () => {
      for (; free > 0 && next < requests.length; free--) stream.write(requests[next++]);
      if (next === requests.length) stream.end();
    };
    stream.on('data', (reply) => {
      if (reply.window) free = Math.min(reply.window, 64);
      else told.set(reply.number, [...(told.get(reply.number) ?? []), reply]);
      if (reply.ended || reply.refused) free++;
      fill();
    });
    stream.on('error', reject);
    stream.on('end', () => resolve(told));
  });
}

async function checkSession(where, client, token, spec) {
  const requests = Array.from({ length: 500 }, (_, i) => ({ number: i, submit: { ...spec, data: Buffer.from(`${i}`) }, acknowledge: i === 0 }));
  requests[7].submit.function = 'none';
  const told = await converse(client, token, requests);
  for (let i = 0; i < requests.length; i++) {
    const last = told.get(i).at(-1);
    if (i === 7) assert.deepStrictEqual([last.refused.code, last.refused.field], ['not_found', 'function']);
    else assert.deepStrictEqual([last.ended.state, last.ended.output.toString()], ['succeeded', `${i}`]);
  }
  assert.deepStrictEqual([told.get(0).length, told.get(0)[0].task], [2, told.get(0)[1].ended.task]);
  ok(where, 'session');
}

async function check(where, client, token, name) {
  const call = caller(client, token);
  const image = await call('ImagePut', { kind: 'c', data: fs.readFileSync(process.env.WAYANG_PLUGIN), name });
  assert.ok(image.functions.includes('echo'));
  const spec = { kind: 'call', image: name, function: 'echo' };
  const result = await call('TaskRun', { ...spec, data: Buffer.from('hello') });
  assert.deepStrictEqual([result.state, result.output.toString()], ['succeeded', 'hello']);
  ok(where, 'call');

  const command = await call('TaskRun', { kind: 'exec', argv: ['/bin/sh', '-c', 'cat; exit 4'], stdin: Buffer.from('in') });
  assert.deepStrictEqual([command.state, command.cause.type, command.cause.code, command.stdout.toString()], ['failed', 'exit', 4, 'in']);
  ok(where, 'command');

  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => call('TaskRun', { ...spec, data: Buffer.from(`${where} ${i}`) })));
  answers.forEach((answer, i) => assert.strictEqual(answer.output.toString(), `${where} ${i}`));
  ok(where, 'pipeline');

  const submitted = await submitMany(client, token, [[spec, spec], [spec, { ...spec, function: 'none' }]]);
  assert.strictEqual(new Set(submitted.slice(0, 3).map((item) => item.task)).size, 3);
  assert.strictEqual(submitted[3].error.code, 'not_found');
  ok(where, 'many');

  await checkSession(where, client, token, spec);

  const unknown = await refusal(call('TaskRun', { ...spec, priority: 99 }));
  assert.strictEqual(unknown.code, grpc.status.INVALID_ARGUMENT);
  assert.ok(reasonOf(unknown).includes('INVALID_ARGUMENT') && reasonOf(unknown).includes('priority'));
  ok(where, 'error');

  const large = Buffer.alloc(2 << 20, 'wayang');
  assert.ok(large.equals((await call('TaskRun', { ...spec, data: large })).output));
  ok(where, 'large');

  const { task } = await call('TaskSubmit', { kind: 'exec', argv: ['/bin/sh', '-c', 'for i in 1 2 3; do echo line $i; sleep 0.1; done'] });
  assert.strictEqual(await follow(client, token, { task, stream: 'stdout' }), 'line 1\nline 2\nline 3\n');
  ok(where, 'follow');

  const late = await refusal(call('TaskRun', { kind: 'exec', argv: ['/bin/sleep', '600'], group: name }, { timeout: 1000 }));
  assert.strictEqual(late.code, grpc.status.DEADLINE_EXCEEDED);
  assert.strictEqual((await call('GroupWait', { group: name, timeout_ms: 20000 })).states.cancelled, 1);
  ok(where, 'deadline');
}

async function main() {
  const unix = new Runtime(`unix:${process.env.WAYANG_GRPC_SOCKET}`, grpc.credentials.createInsecure(), options);
  await check('grpc-js unix', unix, undefined, 'grpcjs1');
  unix.close();

  const tcp = new Runtime(`127.0.0.1:${process.env.WAYANG_GRPC_PORT}`, grpc.credentials.createInsecure(), options);
  for (const token of [undefined, 'wrong']) {
    assert.strictEqual((await refusal(caller(tcp, token)('NodeInfo', {}))).code, grpc.status.UNAUTHENTICATED);
  }
  ok('grpc-js tcp', 'token');
  await check('grpc-js tcp', tcp, process.env.WAYANG_TEST_TOKEN, 'grpcjs2');
  tcp.close();
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
