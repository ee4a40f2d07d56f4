/**
 * bullmq: the tag goes in `opts.telemetry.metadata`, where its own telemetry keeps a carrier as JSON; other entries there stay.
 * Limit: a scheduler's jobs belong to no request.
 */
import type { LoadedFile } from '../patching/instrumentation.js';
import type { TakenJob } from '../messages/isolation/bullmq.js';
import { handleInLane, laneOfMessage, withLane, type MessageHeaders } from '../messages/messages.js';
import type { Messaging } from '../messages/messaging.js';
import { copyWith } from '../patching/copy-with.js';
import { safely } from '../patching/safely.js';
import { wrap } from '../patching/wrap.js';

interface JobOptions {
  telemetry?: { metadata?: string } & Record<string, unknown>;
}
interface Job {
  opts?: JobOptions | undefined;
}
interface Node extends Job {
  children?: unknown;
}

export function patch({ exports, runtime }: LoadedFile): void {
  const { FlowProducer, Job: JobClass, Worker } = exports as Partial<Record<'FlowProducer' | 'Job' | 'Worker', { prototype: object }>>;
  const addLane = safely('bullmq', (options: JobOptions | undefined) => optionsWithLane(options, runtime));
  const addLanes = safely('bullmq', (jobs: unknown) =>
    Array.isArray(jobs) ? jobs.map((job: unknown) => (isObject(job) ? { ...job, opts: addLane(job.opts) ?? job.opts } : job)) : undefined,
  );
  if (JobClass !== undefined) {
    wrap(JobClass, 'create', (original) => {
      return function create(this: unknown, ...args: unknown[]): unknown {
        args[3] = addLane(args[3] as JobOptions | undefined) ?? args[3];
        return Reflect.apply(original, this, args);
      };
    });
    wrap(JobClass, 'createBulk', (original) => {
      return function createBulk(this: unknown, ...args: unknown[]): unknown {
        args[1] = addLanes(args[1]) ?? args[1];
        return Reflect.apply(original, this, args);
      };
    });
  }
  if (FlowProducer !== undefined) {
    const nodeWithLane = (node: unknown): unknown =>
      isObject(node)
        ? { ...node, opts: addLane(node.opts) ?? node.opts, ...(Array.isArray(node.children) ? { children: node.children.map(nodeWithLane) } : {}) }
        : node;
    const withLanes = safely('bullmq', (given: unknown) => (Array.isArray(given) ? given.map(nodeWithLane) : nodeWithLane(given)));
    for (const method of ['add', 'addBulk']) {
      wrap(FlowProducer.prototype, method, (original) => {
        return function added(this: unknown, ...args: unknown[]): unknown {
          args[0] = withLanes(args[0]) ?? args[0];
          return Reflect.apply(original, this, args);
        };
      });
    }
  }
  if (Worker === undefined) return;
  const laneOf = safely('bullmq', (job: Job | undefined) => laneOfMessage(carrierOf(job?.opts), runtime));
  const isolation = runtime.isolates ? (require('../messages/isolation/bullmq.js') as typeof import('../messages/isolation/bullmq.js')) : undefined;
  const deciderOf = isolation?.isolateWorkers(Worker.prototype, runtime);
  const takesOf = deciderOf === undefined ? undefined : safely('bullmq isolation', deciderOf);
  wrap(Worker.prototype, 'callProcessJob', (original) => {
    return function callProcessJob(this: unknown, ...args: unknown[]): unknown {
      const context = laneOf(args[0] as Job);
      if (context === undefined) return Reflect.apply(original, this, args);
      const process = (): unknown => handleInLane(context, original, this, args);
      if (isolation === undefined || takesOf === undefined) return process();
      // Rather twice than not at all.
      const taken = takesOf(this as Parameters<typeof takesOf>[0])?.(context.tag) ?? true;
      return isolation.handleTaken(taken, process, () => isolation.putBack(args[0] as TakenJob, args[1] as string), 'awaited');
    };
  });
}

/** The library refuses what is not a job or a node of a flow. */
function isObject(value: unknown): value is Node {
  return typeof value === 'object' && value !== null;
}

function optionsWithLane(options: JobOptions | undefined, runtime: Messaging): JobOptions | undefined {
  const carrier = carrierOf(options);
  const written = withLane(carrier, runtime);
  if (written === carrier || written === undefined || Object.keys(written).length === 0) return undefined;
  return copyWith(options, 'telemetry', copyWith(options?.telemetry, 'metadata', JSON.stringify(written)));
}

/** The content of a job's metadata, if it is a carrier. */
function carrierOf(options: JobOptions | undefined): MessageHeaders | undefined {
  const metadata = options?.telemetry?.metadata;
  if (typeof metadata !== 'string' || !metadata.startsWith('{')) return undefined;
  try {
    return JSON.parse(metadata) as MessageHeaders;
  } catch {
    return undefined;
  }
}
