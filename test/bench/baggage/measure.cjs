'use strict';
// One round of `bench -- baggage`, in a process of its own.
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

let sink;
function time(call, header) {
  for (let i = 0; i < 3_000; i++) sink = call(header);
  let calls = 0;
  const from = process.hrtime.bigint();
  do {
    for (let i = 0; i < 100; i++) sink = call(header);
    calls += 100;
  } while (process.hrtime.bigint() - from < BigInt(milliseconds) * 1_000_000n);
  return Number(process.hrtime.bigint() - from) / calls;
}

const measured = [1, 3, 8, 16, 32, 64, 180].map((members) => {
  const header = headerOf(members);
  const [mine, other] = [ours(header), theirs(header)];
  assert.equal(mine.tag, 'gray');
  assert.equal(other.tag, 'gray');
  // Past 64 members each keeps 64 and may choose which, as the specification says no more.
  if (members <= 64) assert.deepEqual(membersOf(mine.header), membersOf(other.header));
  return { members, ours: time(ours, header), theirs: time(theirs, header), again: time(ours, header) };
});
void sink;
process.send(measured);
process.disconnect();
