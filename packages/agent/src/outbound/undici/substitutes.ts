/**
 * Substitutes for a Pool or Client, whose origin is fixed, when its request has to go to another instance: an Agent
 * for each, which connects the same way, with the same TLS settings and limits.
 */
import { symbolNamed } from '../../patching/symbol-named.js';
import type { AgentClass, Dispatcher } from './types.js';

export interface Substitutes {
  of(dispatcher: Dispatcher): Dispatcher;
  /** Ends a dispatcher's substitute together with the dispatcher. */
  end(dispatcher: Dispatcher, how: 'close' | 'destroy'): void;
}

export function createSubstitutes(agentClass: () => AgentClass): Substitutes {
  const agents = new WeakMap<Dispatcher, Dispatcher>();
  return {
    of(dispatcher) {
      let agent = agents.get(dispatcher);
      if (agent === undefined) agents.set(dispatcher, (agent = new (agentClass())(optionsOf(dispatcher))));
      return agent;
    },
    end(dispatcher, how) {
      const agent = agents.get(dispatcher);
      if (agent === undefined) return;
      agents.delete(dispatcher);
      // It rejects if it is closed already; either way it is gone.
      void Promise.resolve(agent[how]()).catch(() => {});
    },
  };
}

function optionsOf(dispatcher: Dispatcher): object {
  // A Pool keeps its options, connector included, and the limit separately; null: none.
  const options = symbolNamed(dispatcher, 'options') as { connect?: unknown } | undefined;
  if (options !== undefined) {
    // Those of an Agent that the app has made it with mean nothing to a Pool, and something else to ours: kept as JSON, no limit is null, which an Agent refuses.
    const { interceptors: _, maxOrigins: __, factory: ___, ...rest } = options as Record<'interceptors' | 'maxOrigins' | 'factory', unknown>;
    const connections = symbolNamed(dispatcher, 'connections');
    return typeof connections === 'number' ? { ...rest, connections } : rest;
  }
  return {
    connect: symbolNamed(dispatcher, 'connector'),
    connections: 1,
    pipelining: symbolNamed(dispatcher, 'pipelining'),
    headersTimeout: symbolNamed(dispatcher, 'headers timeout'),
    bodyTimeout: symbolNamed(dispatcher, 'body timeout'),
  };
}
