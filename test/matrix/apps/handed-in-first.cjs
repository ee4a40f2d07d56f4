'use strict';
// Before the first tag, base adds two tasks to a queue that runs one at a time; then a lane adds an urgent one, which runs before base's second
// task. Reports the lane in which that second task ran and was called back.
const { currentLane, runInLane } = require('@lane/core');

const LONG_MS = 20;

const asyncs = (async) => {
  const queue = async.priorityQueue((task, done) => task(done), 1);
  return (task, urgent, done) => queue.push(task, urgent ? 1 : 2, done);
};
const LIBRARIES = {
  fastq: (fastq) => {
    const queue = fastq((task, done) => task(done), 1);
    return (task, urgent, done) => queue[urgent ? 'unshift' : 'push'](task, done);
  },
  async: asyncs,
  async2: asyncs,
  'neo-async': asyncs,
  'better-queue': (Queue) => {
    const queue = new Queue((task, done) => task.run(done), { priority: ({ urgent }, give) => give(null, urgent ? 2 : 1), store: 'memory' });
    let id = 0;
    return (run, urgent, done) => queue.push({ id: String(id++), run, urgent }, done);
  },
  queue6: (Queue) => {
    const queue = new Queue({ concurrency: 1, autostart: true });
    return (task, urgent, done) => queue[urgent ? 'unshift' : 'push']((next) => task(() => (next(), done())));
  },
};

function tryOut(add) {
  return new Promise((resolve) => {
    const seen = [];
    const note = () => seen.push(currentLane() ?? 'base');
    const long = (done) => setTimeout(() => done(null), LONG_MS);
    add(long, false, () => {});
    add(
      (done) => {
        note();
        done(null);
      },
      false,
      () => {
        note();
        resolve(seen.join());
      },
    );
    setTimeout(() => runInLane('gray', () => add(long, true, () => {})), 1);
  });
}

const [name] = process.argv.slice(2);
void tryOut(LIBRARIES[name](require(name))).then((seen) => process.stdout.write(seen));
