/* What the process has used so far, told to whoever started it. */
process.on('message', (message) => {
  if (message !== 'usage') return;
  const { user, system } = process.cpuUsage();
  process.send({ cpuMicroseconds: user + system, rssBytes: process.memoryUsage.rss() });
});
