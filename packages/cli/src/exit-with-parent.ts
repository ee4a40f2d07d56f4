/**
 * Preloaded into the processes of the demo: when the demo is gone, however it ended, so are they. The channel between them
 * closes with it; it holds no process alive by itself.
 */
if (process.channel !== undefined && process.channel !== null) {
  process.on('disconnect', () => process.exit(1));
  process.channel.unref();
}

export {};
