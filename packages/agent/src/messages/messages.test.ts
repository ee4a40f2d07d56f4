/** The tag in the headers and properties of messages. */
import { createTagCodec, currentContext, laneContext, runInLane, type FormatName } from '@lane/core/model';
import { expect, test } from 'vitest';
import { handleInLane, laneOfMessage, withLane } from './messages.js';
import type { Messaging } from './messaging.js';

const messaging = (...formats: FormatName[]): Messaging =>
  ({ codec: createTagCodec({ formats }), tables: { rules: undefined } }) as unknown as Messaging;
const LIST = '[{"name":"gray","tag":"gray","priority":-1}]';

test("mse: a separate property, which RocketMQ's consumers under MSE read, in addition to the headers", () => {
  const written = runInLane('gray', () => withLane({ order: '7' }, messaging('mse')));
  expect(written).toMatchObject({ order: '7', 'x-mse-tag': 'gray', __microservice_tag__: LIST });
});

test.each([LIST, Buffer.from(LIST), encodeURIComponent(LIST), '[{"name":"gray"}]'])(
  'mse: the property %s alone is the lane of a message',
  (value) => {
    expect(laneOfMessage({ __microservice_tag__: value }, messaging('mse'))).toBe(laneContext('gray'));
  },
);

test('without mse listed, the property is ignored', () => {
  expect(laneOfMessage({ __microservice_tag__: LIST }, messaging('baggage'))).toBe(laneContext(undefined));
  expect(runInLane('gray', () => withLane({}, messaging('baggage')))).toEqual({ baggage: 'lane=gray' });
});

test('nepxion: calls from a message’s handler carry its map of services to versions, whether or not it names this service', () => {
  const way = { codec: createTagCodec({ formats: ['nepxion'], service: () => 'b' }), tables: { rules: undefined } } as unknown as Messaging;
  for (const [map, tag] of [
    ['{"a":"gray","b":"blue"}', 'blue'],
    ['{"a":"gray"}', undefined],
  ] as const) {
    const context = laneOfMessage({ 'n-d-version': Buffer.from(map) }, way);
    expect(context.tag).toBe(tag);
    const sent = handleInLane(context, () => [withLane({}, way), currentContext()?.carried?.tags.get('a')], undefined, []);
    expect(sent).toEqual([{ 'n-d-version': map }, 'gray']);
  }
});
