/** What commands of SQS ask for: the tag, beside what the app has put there, within what SQS takes of a message. */
import { createTagCodec, currentLane, runInLane } from '@lane/core/model';
import { beforeEach, expect, test } from 'vitest';
import { patch } from './sqs.js';

interface Input {
  readonly MessageAttributes?: Record<string, object>;
  readonly MessageAttributeNames?: readonly string[];
  readonly Entries?: readonly Input[];
}
class SendMessageCommand {
  constructor(readonly input: Input) {}
}
class SendMessageBatchCommand extends SendMessageCommand {}
class ReceiveMessageCommand extends SendMessageCommand {}
class DeleteMessageCommand extends SendMessageCommand {}

let said: string[];
let client: { send(command: SendMessageCommand): Input };
let handle: (message: object) => unknown;
beforeEach(() => {
  said = [];
  class SQSClient {
    send(command: SendMessageCommand): Input {
      return command.input;
    }
  }
  class Consumer {
    start(): void {}
    executeHandler(): unknown {
      return currentLane();
    }
  }
  const log = { once: (_: string, __: string, line: string) => void said.push(line) };
  const runtime = { codec: createTagCodec({ formats: ['baggage', 'mse'] }), tables: { rules: undefined }, log };
  patch({ exports: { SQSClient, Consumer }, runtime } as unknown as Parameters<typeof patch>[0]);
  client = new SQSClient();
  handle = (message) => Reflect.apply(Consumer.prototype.executeHandler as (message: object) => unknown, undefined, [message]);
});

const text = (value: string): object => ({ DataType: 'String', StringValue: value });
const attributes = (count: number): Record<string, object> => Object.fromEntries(Array.from({ length: count }, (_, i) => [`own${i}`, text('kept')]));

test('a message carries the tag in attributes, in each format, and its handler runs in the lane', () => {
  const sent = runInLane('gray', () => client.send(new SendMessageCommand({ MessageAttributes: attributes(1) })));
  expect(sent.MessageAttributes).toMatchObject({
    own0: text('kept'),
    baggage: text(expect.stringContaining('lane=gray')),
    'x-mse-tag': text('gray'),
  });
  expect(handle(sent)).toBe('gray');
  expect(runInLane('blue', () => handle({}))).toBe(undefined);
});

test("a command that is sent again carries the current tag; the app's own object is unchanged", () => {
  const command = new SendMessageCommand({ MessageAttributes: attributes(1) });
  runInLane('gray', () => client.send(command));
  expect(command.input).toEqual({ MessageAttributes: attributes(1) });
  expect(runInLane('blue', () => client.send(command)).MessageAttributes).toMatchObject({ baggage: text(expect.stringContaining('lane=blue')) });
  expect(client.send(command)).toEqual({ MessageAttributes: attributes(1) });
});

test('a message that would exceed ten attributes is sent unchanged, which is logged', () => {
  const fits = runInLane('gray', () => client.send(new SendMessageBatchCommand({ Entries: [{ MessageAttributes: attributes(6) }, {}] })));
  expect(Object.keys(fits.Entries?.[0]?.MessageAttributes ?? {}).length).toBeLessThanOrEqual(10);
  expect(handle(fits.Entries?.[0] as object)).toBe('gray');
  expect(said).toEqual([]);
  const full = runInLane('gray', () => client.send(new SendMessageBatchCommand({ Entries: [{ MessageAttributes: attributes(10) }, {}] })));
  expect(full.Entries?.[0]).toEqual({ MessageAttributes: attributes(10) });
  expect(handle(full.Entries?.[1] as object)).toBe('gray');
  expect(said).toEqual(['messages to SQS lose their lane if the tag would be attribute 11: SQS accepts 10 per message']);
});

test('a receiver requests the tag in addition to the attributes that the app requests', () => {
  expect(client.send(new ReceiveMessageCommand({ MessageAttributeNames: ['own'] })).MessageAttributeNames).toEqual(
    expect.arrayContaining(['own', 'baggage', 'x-mse-tag']),
  );
  const other = { MessageAttributeNames: ['own'] };
  expect(client.send(new DeleteMessageCommand(other))).toBe(other);
});
