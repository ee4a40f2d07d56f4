/**
 * @aws-sdk/client-sqs: the tag goes into the message's attributes, and is requested when messages are received. sqs-consumer: `handleMessage` runs in
 * the lane of its message.
 * Limits: `handleMessageBatch` gets messages of several lanes, and runs in none; a message with ten attributes goes without its
 * tag; nobody calls a handler for messages received through the client itself.
 */
import { currentContext, writeLane } from '@lane/core/model';
import { handleInLane, laneOfMessage } from '../messages/messages.js';
import type { Messaging } from '../messages/messaging.js';
import { startInBackground } from '../patching/in-background.js';
import type { LoadedFile } from '../patching/instrumentation.js';
import { safely } from '../patching/safely.js';
import { wrap } from '../patching/wrap.js';

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html */
const MAX_ATTRIBUTES = 10;

type Attributes = Record<string, { DataType?: string; StringValue?: string }>;
interface Message {
  MessageAttributes?: Attributes;
}
interface Command {
  readonly input: object;
}

export function patch({ exports, runtime }: LoadedFile): void {
  const { Consumer, SQSClient } = exports as Partial<Record<'Consumer' | 'SQSClient', { prototype: object }>>;
  if (SQSClient !== undefined) {
    const inputOf = safely('sqs', (command: Command) => changedInput(command, runtime));
    wrap(SQSClient.prototype, 'send', (original) => {
      return function send(this: unknown, ...args: unknown[]): unknown {
        const command = args[0] as Command;
        const input = inputOf(command);
        // A copy, because the app may send its own again, in another lane.
        if (input !== undefined) args[0] = Object.assign(Object.create(Object.getPrototypeOf(command) as object), command, { input });
        return Reflect.apply(original, this, args);
      };
    });
  }
  if (Consumer === undefined) return;
  if (runtime.isolates)
    runtime.log.once('sqs isolate', 'warn', 'LANE_MESSAGES=isolate has no effect on sqs-consumer: messages of all lanes are shared');
  startInBackground(Consumer.prototype, 'start');
  const laneOf = safely('sqs', ({ MessageAttributes }: Message) =>
    laneOfMessage(
      MessageAttributes === undefined
        ? undefined
        : Object.fromEntries(Object.entries(MessageAttributes).map(([name, { StringValue }]) => [name, StringValue])),
      runtime,
    ),
  );
  wrap(Consumer.prototype, 'executeHandler', (original) => {
    return function executeHandler(this: unknown, ...args: unknown[]): unknown {
      const context = laneOf(args[0] as Message);
      return context === undefined ? Reflect.apply(original, this, args) : handleInLane(context, original, this, args);
    };
  });
}

/** What a command requests instead; undefined: it stays as it is. By name: a consumer may have its own copy of the client. */
function changedInput(command: Command, runtime: Messaging): object | undefined {
  const { input } = command;
  switch (command.constructor.name) {
    case 'SendMessageCommand':
      return withAttributes(input, runtime);
    case 'SendMessageBatchCommand': {
      const { Entries } = input as { Entries?: Message[] };
      return Array.isArray(Entries) ? { ...input, Entries: Entries.map((entry) => withAttributes(entry, runtime) ?? entry) } : undefined;
    }
    case 'ReceiveMessageCommand': {
      const { MessageAttributeNames } = input as { MessageAttributeNames?: string[] };
      return { ...input, MessageAttributeNames: [...new Set([...(MessageAttributeNames ?? []), ...namesRead(runtime)])] };
    }
    default:
      return undefined;
  }
}

function withAttributes(message: Message, { codec, log }: Messaging): Message | undefined {
  const context = currentContext();
  if (context === undefined) return undefined;
  const given = message.MessageAttributes ?? {};
  const attributes = { ...given };
  writeLane(context, codec, {
    areAttachments: true,
    get: (name) => attributes[name]?.StringValue,
    set: (name, value) => void (attributes[name] = { DataType: 'String', StringValue: value }),
    remove: (name) => void delete attributes[name],
  });
  const count = Object.keys(attributes).length;
  if (count === 0) return message.MessageAttributes === undefined ? undefined : { ...message, MessageAttributes: attributes };
  if (count <= MAX_ATTRIBUTES || count <= Object.keys(given).length) return { ...message, MessageAttributes: attributes };
  log.once(
    'sqs attributes',
    'warn',
    `messages to SQS lose their lane if the tag would be attribute ${MAX_ATTRIBUTES + 1}: SQS accepts ${MAX_ATTRIBUTES} per message`,
  );
  return undefined;
}

/** The names under which to look for a tag. */
function namesRead({ codec }: Messaging): Set<string> {
  const names = new Set<string>();
  const note = (name: string): undefined => void names.add(name);
  codec.read(note);
  codec.carriedIn?.(note);
  return names;
}
