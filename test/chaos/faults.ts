/** The faults that the rig can inject, by name. Seconds are at speed 1; all but the instance faults leave every instance alive. */
import type { NacosMember } from '../servers/real-nacos-cluster.js';
import { freePort } from '@lane/testing/ports';
import type { Answer, Fault, ListedHost } from './faulty-nacos.js';
import { pause, type Rig, type RigFault, type RigInstance, type RigOptions } from './rig.js';

/** The short form of the table: everything in Nacos ten times as fast, faults a tenth as long. */
export const QUICK: RigOptions = { rate: 45, speed: 10 };

/** A fault in Nacos' answers or pushes, held for a while. */
function answers(fault: Fault | ((rig: Rig) => Fault)): RigFault {
  return { seconds: 25, begin: (rig) => rig.nacos.set(typeof fault === 'function' ? fault(rig) : fault), end: (rig) => rig.nacos.clear() };
}

function edits(edit: (hosts: ListedHost[]) => ListedHost[]): RigFault {
  return answers({ calls: 'lists', answer: { how: 'hosts', edit } });
}

const isGray = ({ metadata }: ListedHost): boolean => metadata['lane'] === 'gray';
const status = (code: number, body = `{"status":${code}}`): Answer => ({ how: 'status', status: code, body });
const GARBAGE = status(200, '<html><body>It works!</body></html>');
const gray = (rig: Rig, letter = 'B', index = 1): RigInstance => rig.of(letter, 'gray')[index] as RigInstance;

function signals(begin: NodeJS.Signals, end: NodeJS.Signals): RigFault {
  return {
    seconds: 25,
    begin: (rig) => void process.kill(gray(rig).process.pid, begin),
    end: (rig) => void process.kill(gray(rig).process.pid, end),
  };
}

function replaced(as: { letter?: string; lane?: 'base' | 'gray' }): RigFault {
  return {
    seconds: 25,
    async begin(rig) {
      await gray(rig).process.kill();
      await rig.startAt(gray(rig), as);
    },
    async end(rig) {
      await gray(rig).process.stop();
      await rig.startAt(gray(rig));
    },
  };
}

function drained(fault: (rig: Rig) => Fault): RigFault {
  return {
    seconds: 25,
    async begin(rig) {
      rig.nacos.set(fault(rig));
      await gray(rig).process.stop();
    },
    async end(rig) {
      rig.nacos.clear();
      await rig.startAt(gray(rig));
    },
  };
}

function rolling(end: (instance: RigInstance) => Promise<void>): RigFault {
  return {
    seconds: 25,
    async begin(rig) {
      for (const instance of rig.instances.filter(({ letter }) => letter === 'B')) {
        await end(instance);
        await rig.startAt(instance);
      }
    },
  };
}

function killed(seconds: number, documents: 'kept' | 'wiped' = 'kept'): RigFault {
  return {
    seconds,
    ...(documents === 'wiped' ? { needs: 'one server' } : {}),
    begin: (rig) => rig.killNacos(),
    end: (rig) => rig.startNacos(documents),
  };
}

/** A fault of one cluster member: the second, which is neither first nor last in the clients' list. */
function member(seconds: number, fault: Omit<RigFault, 'needs' | 'seconds'>): RigFault {
  return { needs: 'a cluster', seconds, ...fault };
}
const second = (rig: Rig): NacosMember => rig.behind.members[1] as NacosMember;

/** All faults. */
export const FAULTS: Readonly<Record<string, RigFault>> = {
  none: { seconds: 5, begin: () => {} },

  'nacos killed, back after 5 s': killed(5),
  'nacos killed, back after 60 s': killed(60),
  'nacos killed six times': {
    seconds: 84,
    async begin(rig, holdS) {
      for (let i = 0; i < 6; i++) {
        await rig.killNacos();
        await rig.startNacos();
        await pause((holdS / 6) * 1_000);
      }
    },
  },
  'nacos stopped': { seconds: 20, begin: (rig) => rig.signalNacos('SIGSTOP'), end: (rig) => rig.signalNacos('SIGCONT') },
  'nacos restarted with nothing': {
    needs: 'one server',
    seconds: 25,
    async begin(rig) {
      await rig.killNacos();
      await rig.startNacos('wiped');
    },
    end: (rig) => rig.publishDocument(),
  },

  'member killed': member(60, { begin: (rig) => second(rig).kill(), after: (rig) => second(rig).restart() }),
  'member killed and back': member(30, { begin: (rig) => second(rig).kill(), end: (rig) => second(rig).restart() }),
  'members restarted one after the other': member(60, {
    async begin(rig) {
      for (const one of rig.behind.members) await one.restart();
    },
  }),
  'member partitioned': member(30, { begin: (rig) => second(rig).partition(), end: (rig) => second(rig).heal() }),
  'member stopped': member(30, { begin: (rig) => second(rig).signal('SIGSTOP'), end: (rig) => second(rig).signal('SIGCONT') }),
  'member rejoins with old data': member(25, {
    async begin(rig) {
      await second(rig).shutDown();
      await rig.add('B', 'gray');
      await rig.publishDocument('alice', 'bob');
      // The old rules put this one into base.
      await pause(10_000);
      rig.user = 'bob';
    },
    end: (rig) => second(rig).restart(),
    async after(rig) {
      rig.user = 'alice';
      await rig.publishDocument();
      await rig.removeLast();
    },
  }),
  'one of two addresses dead at start': {
    seconds: 25,
    async begin(rig) {
      const addresses = `127.0.0.1:${await freePort()},${rig.nacos.address}`;
      await rig.add('B', 'gray', { SERVER: addresses, LANE_NACOS_SERVER: addresses });
    },
    after: (rig) => rig.removeLast(),
  },
  'clocks go back an hour, and forward again': {
    needs: 'clocks that can be set',
    seconds: 25,
    begin: (rig) => rig.setClocks(-3_600),
    end: (rig) => rig.setClocks(0),
  },
  'tokens expired, again and again': {
    needs: 'a password',
    seconds: 25,
    async begin(rig, holdS) {
      for (let i = 0; i < 5; i++) {
        rig.nacos.expireTokens();
        await pause(holdS * 200);
      }
    },
  },

  'all calls 500': answers({ answer: status(500) }),
  'all calls 403': answers({ answer: status(403) }),
  'all calls 404': answers({ answer: status(404) }),
  'all calls garbage': answers({ answer: GARBAGE }),
  'all calls reset': answers({ answer: { how: 'reset' } }),
  'all calls hang': answers({ answer: { how: 'hang' } }),
  'all answers truncated': answers({ answer: { how: 'truncated' } }),
  'all answers 3 s late': answers((rig) => ({ answer: { how: 'delay', ms: 3_000 / rig.speed } })),
  'reads hang': answers({ calls: 'reads', answer: { how: 'hang' } }),
  'reads 500': answers({ calls: 'reads', answer: status(500) }),
  'reads 403': answers({ calls: 'reads', answer: status(403) }),
  'reads 404': answers({ calls: 'reads', answer: status(404) }),
  'reads garbage': answers({ calls: 'reads', answer: GARBAGE }),

  'lists empty': edits(() => []),
  'lists without gray': edits((hosts) => hosts.filter((host) => !isGray(host))),
  'lists without base': edits((hosts) => hosts.filter(isGray)),
  'lists all unhealthy': edits((hosts) => hosts.map((host) => ({ ...host, healthy: false }))),
  'lists all disabled': edits((hosts) => hosts.map((host) => ({ ...host, enabled: false }))),
  'lists without metadata': edits((hosts) => hosts.map((host) => ({ ...host, metadata: {} }))),

  'lane groups 404': answers({ calls: 'documents', answer: status(404, 'config data not exist\n') }),
  'lane groups empty': answers({ calls: 'documents', answer: status(200, '') }),
  'lane groups garbage': answers({ calls: 'documents', answer: GARBAGE }),

  'pushes lost while an instance drains': drained(() => ({ pushes: 'drop' })),
  'pushes 3 s late': answers((rig) => ({ pushes: { delayMs: 3_000 / rig.speed } })),
  'pushes 3 s late while an instance drains': drained((rig) => ({ pushes: { delayMs: 3_000 / rig.speed } })),

  'instance killed': { seconds: 25, begin: (rig) => gray(rig).process.kill(), end: (rig) => rig.startAt(gray(rig)) },
  'instance stopped': signals('SIGSTOP', 'SIGCONT'),
  'instance closes its port': signals('SIGUSR2', 'SIGUSR2'),
  'instance accepts and resets': signals('SIGHUP', 'SIGHUP'),
  'instance registered before it listens': {
    seconds: 25,
    async begin(rig, holdS) {
      await gray(rig).process.stop();
      await rig.startAt(gray(rig), {}, { LISTEN_AFTER_MS: String(Math.round(holdS * 500)) });
    },
  },
  'all of a lane killed': {
    seconds: 25,
    mayFallBack: ['B'],
    begin: async (rig) => void (await Promise.all(rig.of('B', 'gray').map((one) => one.process.kill()))),
    end: async (rig) => void (await Promise.all(rig.of('B', 'gray').map((one) => rig.startAt(one)))),
  },
  'another tag at the same address': replaced({ lane: 'base' }),
  'address taken over by another service': replaced({ letter: 'C' }),
  'two services on one address': {
    seconds: 25,
    async begin(rig) {
      await gray(rig).process.stop();
      await rig.startAt(gray(rig), {}, { ALSO: 'service-other' });
    },
    async end(rig) {
      await gray(rig).process.stop();
      await rig.startAt(gray(rig));
    },
  },
  'instance flaps': {
    seconds: 25,
    async begin(rig) {
      for (let i = 0; i < 4; i++) {
        await gray(rig).process.kill();
        await rig.startAt(gray(rig));
      }
    },
  },
  'scaled to zero and back': {
    seconds: 25,
    mayFallBack: ['B'],
    begin: async (rig) => void (await Promise.all(rig.of('B', 'gray').map((one) => one.process.stop()))),
    end: async (rig) => void (await Promise.all(rig.of('B', 'gray').map((one) => rig.startAt(one)))),
  },
  'rolling restart with a drain': rolling((instance) => instance.process.stop()),
  'rolling restart without a drain': rolling((instance) => instance.process.kill()),
};
