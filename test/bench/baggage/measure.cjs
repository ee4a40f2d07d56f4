'use strict';
// One round of `bench -- baggage`, in its own process.
const assert = require('node:assert/strict');
const { createTagCodec, writeTag } = require('@lane/core/model');
const { defaultTextMapGetter, defaultTextMapSetter, propagation, ROOT_CONTEXT } = require('@opentelemetry/api');
const { W3CBaggagePropagator } = require('@opentelemetry/core');

const milliseconds = Number(process.argv[2]);
const codec = createTagCodec();
const propagator = new W3CBaggagePropagator();
const NAMES = ['userId', 'session', 'tenant', 'region', 'experiment', 'device', 'locale', 'cart'];

/** As services send it: the lane somewhere in the middle, values of some eight characters, one in eight with a property. */
function headerOf(members) {
  return Array.from({ length: members }, (_, i) => {
    if (i === members >> 1) return 'lane=gray';
    return `${NAMES[i % NAMES.length]}${i}=${(i * 2654435761).toString(16)}${i % 8 === 7 ? ';ttl=60' : ''}`;
  }).join(',');
}

class Headers {
  values = {};
  get(name) {
    return this.values[name];
  }
  set(name, value) {
    this.values[name] = value;
  }
  remove(name) {
    delete this.values[name];
  }
}

function ours(header) {
  const tag = codec.read((name) => (name === 'baggage' ? header : undefined));
  const headers = new Headers();
  headers.values.baggage = header;
  writeTag(tag, codec, headers);
  return { tag, header: headers.values.baggage };
}

function theirs(header) {
  const context = propagator.extract(ROOT_CONTEXT, { baggage: header }, defaultTextMapGetter);
  const baggage = propagation.getBaggage(context);
  const tag = baggage.getEntry('lane').value;
  const carrier = {};
  propagator.inject(propagation.setBaggage(context, baggage.setEntry('lane', { value: tag })), carrier, defaultTextMapSetter);
  return { tag, header: carrier.baggage };
}

const membersOf = (header) =>
  header
    .split(',')
    .map((member) => member.trim())
    .sort();

/** CPU time of this process so far, in ns, which does not count other processes. */
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1e3;
};

/** Keeps the compiler from removing unused results. */
const sink = { last: undefined };
function time(call, header) {
  for (let i = 0; i < 3_000; i++) sink.last = call(header);
  let calls = 0;
  const from = cpu();
  do {
    for (let i = 0; i < 100; i++) sink.last = call(header);
    calls += 100;
  } while (cpu() - from < milliseconds * 1e6);
  return (cpu() - from) / calls;
}

const SIZES = [1, 3, 8, 16, 32, 64, 180];
const headers = SIZES.map(headerOf);
for (const header of headers) {
  const [mine, other] = [ours(header), theirs(header)];
  assert.equal(mine.tag, 'gray');
  assert.equal(other.tag, 'gray');
  // Of more than 64 members each side keeps 64. The specification does not say which.
  if (header.split(',').length <= 64) assert.deepEqual(membersOf(mine.header), membersOf(other.header));
}
// Warm up with all sizes: else the compiler would still work while the first is measured.
for (let i = 0; i < 5_000; i++)
  for (const header of headers.slice(0, 5)) {
    sink.last = ours(header);
    sink.last = theirs(header);
  }
const measured = SIZES.map((members, i) => ({
  members,
  ours: time(ours, headers[i]),
  theirs: time(theirs, headers[i]),
  again: time(ours, headers[i]),
}));
process.send(measured);
process.disconnect();
