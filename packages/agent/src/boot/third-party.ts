/** LANE_INSTRUMENTATIONS: instrumentations from the app's packages, found from its working folder. A failure is a line in the log. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { wrap, type Instrumentation as ThirdParty, type InstrumentationTools } from '@lane/core/agent';
import { bindLane, currentContext, messageOf, resumeContext } from '@lane/core/model';
import type { Instrumentation } from '../patching/instrumentation.js';
import { safely } from '../patching/safely.js';
import { isInRange } from '../patching/version-range.js';
import type { AgentLog } from './log.js';

/** Loads the packages and returns their instrumentations by name, in the shape of the agent's own. Skips `taken` names. */
export function loadInstrumentations(packages: readonly string[], taken: object, log: AgentLog): Record<string, Instrumentation> {
  const load = createRequire(join(process.cwd(), 'index.js'));
  const found = new Map<string, Instrumentation>();
  for (const packageName of packages) {
    const refuse = (cause: string): void =>
      log.error(`LANE_INSTRUMENTATIONS: ${packageName} can't be used: ${cause}. The app runs without it`, { from: process.cwd() });
    try {
      const { instrumentations } = load(packageName) as { instrumentations?: Record<string, ThirdParty> };
      if (!isObject(instrumentations)) {
        refuse('it does not export an object `instrumentations`, by name');
        continue;
      }
      for (const [name, instrumentation] of Object.entries(instrumentations)) {
        const problem = Object.hasOwn(taken, name) || found.has(name) ? 'that name is taken' : problemOf(name, instrumentation);
        if (problem === undefined) found.set(name, asOwn(instrumentation, toolsFor(name, log)));
        else refuse(`${JSON.stringify(name)}: ${problem}`);
      }
    } catch (error) {
      refuse(`${messageOf(error).split('\n')[0]}; is it installed in the app, and does it load there?`);
    }
  }
  return Object.fromEntries(found);
}

/** What is wrong with its shape; undefined if nothing is. */
function problemOf(name: string, instrumentation: unknown): string | undefined {
  if (!/^[\w.-]+$/.test(name) || name === 'all') return "a name has letters, digits, '.', '_' and '-', and is not 'all'";
  if (!isObject(instrumentation)) return 'it is no object';
  const { versions, files = [], modules = {}, install, patch } = instrumentation;
  const isList = (value: unknown): boolean => Array.isArray(value) && value.every((item) => typeof item === 'string');
  if (!isObject(versions)) return '`versions` has a range for each package';
  for (const range of Object.values(versions)) isInRange('0.0.0', String(range));
  if (!isList(files)) return '`files` is a list of `package/path/within.js`';
  if (!isObject(modules) || !Object.values(modules).every(isList)) return '`modules` has lists of declarations by `package/path/within.js`';
  for (const hook of [install, patch]) if (hook !== undefined && typeof hook !== 'function') return '`install` and `patch` are functions';
  return install === undefined && patch === undefined ? 'it has neither `install` nor `patch`' : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asOwn(theirs: ThirdParty, tools: InstrumentationTools): Instrumentation {
  const { library, versions, patches, files = [], modules = {} } = theirs;
  return {
    library,
    versions,
    patches,
    files,
    modules,
    ...(theirs.install === undefined ? {} : { install: () => theirs.install?.(tools) }),
    ...(theirs.patch === undefined ? {} : { patch: ({ exports, file, filename }) => theirs.patch?.({ exports, file, filename, tools }) }),
  };
}

function toolsFor(name: string, log: AgentLog): InstrumentationTools {
  // A separate party: it may wrap again what another has wrapped already.
  const party = Symbol.for(`lane.instrumentation.${name}.v1`);
  return {
    wrap: (target, method, make) => wrap(target, method, make, party),
    safely: (hook) => safely(name, hook),
    log,
    currentContext,
    enterContext: resumeContext,
    bindLane,
  };
}
