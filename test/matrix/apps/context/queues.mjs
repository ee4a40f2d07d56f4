import { setTimeout as sleep } from 'node:timers/promises';

export default async (name) => {
  if (name === 'p-limit' || name === 'p-limit4') {
    const { default: pLimit } = await import(name);
    const limit = pLimit(2);
    return {
      limit: (see) =>
        limit(async () => {
          see('task');
          await sleep(1);
          see('task, later');
        }),
    };
  }
  if (name === 'queue') {
    const { default: Queue } = await import('queue');
    const queue = new Queue({ concurrency: 2, autostart: true });
    return {
      push: (see) =>
        new Promise((resolve) =>
          queue.push(async () => {
            see('task');
            await sleep(1);
            see('task, later');
            resolve();
          }),
        ),
    };
  }
  if (name === 'generic-pool') {
    const { createPool } = await import('generic-pool');
    const pool = createPool({ create: async () => ({}), destroy: async () => {} }, { max: 2 });
    return {
      acquire: async (see) => {
        const resource = await pool.acquire();
        see('acquired');
        await sleep(1);
        await pool.release(resource);
      },
      use: (see) =>
        pool.use(async () => {
          await sleep(1);
          see('used');
        }),
    };
  }
  if (name === 'dataloader') {
    const { default: DataLoader } = await import('dataloader');
    const loader = new DataLoader(
      async (keys) => {
        await sleep(1);
        return keys;
      },
      { cache: false },
    );
    return {
      load: async (see) => {
        await loader.load(1);
        see('loaded');
      },
    };
  }
  if (name === 'piscina') {
    const { default: Piscina } = await import('piscina');
    const pool = new Piscina({ filename: new URL('./piscina-task.cjs', import.meta.url).href, maxThreads: 2 });
    return {
      run: async (see) => {
        await pool.run(1);
        see('run');
      },
    };
  }
  const { default: PQueue } = await import(name);
  const queue = new PQueue({ concurrency: 2 });
  return {
    add: (see) =>
      queue.add(async () => {
        see('task');
        await sleep(1);
        see('task, later');
      }),
  };
};
