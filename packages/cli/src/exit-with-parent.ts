/**
 * Preloaded into the demo's processes: exits when the demo ends, however it ends, because that closes the IPC channel. The channel alone
 * does not keep a process alive.
 */
if (process.channel !== undefined && process.channel !== null) {
  process.on('disconnect', () => process.exit(1));
  process.channel.unref();
}

export {};
