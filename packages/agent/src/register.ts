/**
 * What `--require @lane/agent` and `--import @lane/agent` load. Nothing else of the agent has side effects.
 *
 * A preload file that throws or does not parse ends the host before its first line, so this one is small, in old syntax,
 * lets nothing out, and stays a file of its own beside the bundle. It exports nothing, not even an empty list: Deno reads a file that it is given by its
 * path as an ES module where no package.json is beside the app, and would end at `module`.
 */
/* eslint-disable no-var */
var version = /^v(\d+)\.(\d+)/.exec(process.version);
var major = version === null ? 0 : Number(version[1]);
var minor = version === null ? 0 : Number(version[2]);

// Both claim to be Node, and have servers and clients that our patches do not reach.
var versions = process.versions;
var other = versions.bun ? 'Bun ' + versions.bun : versions['deno'] ? 'Deno ' + versions['deno'] : undefined;

if (other !== undefined) {
  process.stderr.write(
    'lane: ' + other + ' is not supported, the app runs without lanes: run it on Node, or keep the lane with @lane/express-plugin or @lane/core\n',
  );
} else if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write('lane: Node ' + process.version + ' is not supported, the app runs without lanes; Node 20.19 or later is needed\n');
} else {
  try {
    require('./boot/start.js').start();
  } catch (error) {
    process.stderr.write('lane: the agent could not start, the app runs without lanes: ' + String((error && (error as Error).stack) || error) + '\n');
  }
}
