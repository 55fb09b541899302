// A receiver that verifies with npm's standardwebhooks. Tells its port, reads a secret a line, and tells of each webhook that all of them so far, or which of them, verify.
'use strict';
const http = require('http');
const readline = require('readline');
const { Webhook } = require('standardwebhooks');

const secrets = [];

function verifies(secret, body, headers) {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

const server = http.createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const body = Buffer.concat(parts).toString('utf8');
    const good = secrets.map((secret) => verifies(secret, body, request.headers));
    const event = JSON.parse(body);
    const last = secrets[secrets.length - 1];
    const forged = [
      verifies(last, body.replace('specversion', 'specversioN'), request.headers),
      verifies(last, body, { ...request.headers, 'webhook-id': 'msg_other' }),
      verifies(last, body, { ...request.headers, 'webhook-timestamp': String(Number(request.headers['webhook-timestamp']) - 3600) }),
      verifies('whsec_' + Buffer.alloc(32).toString('base64'), body, request.headers),
    ];
    console.log(`came ${request.headers['webhook-id']} ${event.type} verified ${good.join(',')} forged ${forged.some((one) => one)}`);
    response.writeHead(good.some((one) => one) ? 204 : 401).end();
  });
});
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
readline.createInterface({ input: process.stdin }).on('line', (secret) => {
  secrets.push(secret);
  console.log(`secrets ${secrets.length}`);
}).on('close', () => process.exit(0));
