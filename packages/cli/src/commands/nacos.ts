import { Command } from 'commander';
import { startEmbeddedNacos } from '@lane/embedded-nacos';
import { parsePort } from '../arguments.js';
import { announceUntilAskedToStop } from '../terminal.js';

/** `lane nacos`. */
export function nacosCommand(): Command {
  return new Command('nacos')
    .description('start the embedded Nacos (HTTP API v1, in memory)')
    .option('--port <port>', 'port to listen on; 0 takes a free one', parsePort, 8848)
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .option('--json', 'print the listening address as JSON')
    .action(async ({ port, host, json }: { port: number; host: string; json?: boolean }) => {
      const nacos = await startEmbeddedNacos({ port, host, log: (line) => console.error(line) });
      const { address } = nacos;
      await announceUntilAskedToStop(
        nacos.port,
        json === true ? JSON.stringify({ address, port: nacos.port }) : `embedded Nacos on ${address}, everything in memory; Ctrl-C ends it`,
      );
      await nacos.close();
    });
}
