// Follows a node's events with npm's eventsource, which connects again by itself and sends Last-Event-ID: what it is told stands on a line each, as "ID TYPE".
// WAYANG_EVENTS_URL: where; WAYANG_TEST_TOKEN: a token; arguments: the types to listen for (an EventSource hears only what it asks for).
'use strict';
const { EventSource } = require('eventsource');

const token = process.env.WAYANG_TEST_TOKEN;
// From the oldest that is kept; when it comes back, Last-Event-ID goes before.
const source = new EventSource(`${process.env.WAYANG_EVENTS_URL}&since=0`, {
  fetch: (address, init) => fetch(address, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } }),
});
source.addEventListener('open', () => console.log('open'));
source.addEventListener('error', (error) => {
  if (source.readyState === EventSource.CLOSED) {
    console.error(`gave up: ${error.code} ${error.message}`);
    process.exit(1);
  }
});
for (const type of process.argv.slice(2)) {
  source.addEventListener(type, (event) => {
    const told = JSON.parse(event.data);
    if (told.id !== event.lastEventId || told.type !== type) {
      console.error(`the id of the stream is ${event.lastEventId}, the event says ${told.id}`);
      process.exit(1);
    }
    console.log(`${event.lastEventId} ${told.type}`);
  });
}
