import { Command } from 'commander';
import { startEmbeddedNacos } from '@lane/nacos-registry/embedded';
import { parsePort } from '../arguments.js';
import { announce, untilAskedToStop } from '../terminal.js';

/** `lane nacos`. */
export function nacosCommand(): Command {
  return new Command('nacos')
    .description('start the embedded Nacos: HTTP API v1, in memory')
    .option('--port <port>', 'port to listen on; 0 takes a free one', parsePort, 8848)
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .action(async ({ port, host }: { port: number; host: string }) => {
      const nacos = await startEmbeddedNacos({ port, host, log: (line) => console.error(line) });
      announce(nacos.port, `embedded Nacos on ${nacos.address}, everything in memory; Ctrl-C ends it`);
      await untilAskedToStop();
      await nacos.close();
    });
}
