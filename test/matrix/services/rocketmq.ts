import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '@lane/testing/eventually';
import { fetchJars } from '../../servers/maven.js';
import { freePort } from '@lane/testing/ports';
import { dataFolder, startService, type Service } from '../../servers/process.js';

const VERSION = '5.4.0';
const TOPIC = 'shop';
const START_TIMEOUT_MS = 60_000;
const MAX_TRIES = 3;
const ARTIFACTS = ['namesrv', 'proxy', 'tools'].map((part) => `org.apache.rocketmq:rocketmq-${part}:${VERSION}` as const);

/** Starts a name server, and a broker with its proxy, from Maven Central, with a topic `shop`. The port is the proxy's, for gRPC. */
export async function startRocketmq(): Promise<Service> {
  const jars = await fetchJars(`rocketmq-${VERSION}`, ARTIFACTS);
  // Another process may take a port before Java binds it, or the additional port of a broker, which is two below its own.
  for (let tries = 1; ; tries++) {
    try {
      return await startOnFreePorts(jars);
    } catch (error) {
      if (tries === MAX_TRIES || !String(error).includes('Address already in use')) throw error;
    }
  }
}

async function startOnFreePorts(jars: string): Promise<Service> {
  const folder = dataFolder('rocketmq');
  const [names, broker, ha, port, remoting] = await Promise.all([freePort(), freePort(), freePort(), freePort(), freePort()]);
  mkdirSync(join(folder, 'conf'));
  const proxyFile = join(folder, 'conf/rmq-proxy.json');
  const cluster = 'DefaultCluster';
  const namesrvAddr = `127.0.0.1:${names}`;
  writeFileSync(
    proxyFile,
    JSON.stringify({ rocketMQClusterName: cluster, grpcServerPort: port, remotingListenPort: remoting, namesrvAddr, proxyMode: 'LOCAL' }),
  );
  writeFileSync(join(folder, 'names.conf'), `listenPort=${names}\n`);
  writeFileSync(
    join(folder, 'broker.conf'),
    `brokerClusterName=${cluster}
brokerName=broker-a
brokerId=0
brokerIP1=127.0.0.1
listenPort=${broker}
haListenPort=${ha}
namesrvAddr=${namesrvAddr}
storePathRootDir=${join(folder, 'store')}
mappedFileSizeCommitLog=16777216
mappedFileSizeConsumeQueue=600000
maxMessageSize=1048576
`,
  );
  const java = [
    '-Xmx400m',
    `-Duser.home=${folder}`,
    ...['--add-exports', 'java.base/jdk.internal.ref=ALL-UNNAMED', '--add-opens', 'java.base/sun.nio.ch=ALL-UNNAMED'],
    ...['-cp', join(jars, '*')],
  ];
  const env = { ROCKETMQ_HOME: folder, NAMESRV_ADDR: namesrvAddr };
  const nameServer = await startService(
    'java',
    [...java, 'org.apache.rocketmq.namesrv.NamesrvStartup', '-c', join(folder, 'names.conf')],
    /boot success/,
    names,
    folder,
    env,
  );
  const proxy = await startService(
    'java',
    [...java, 'org.apache.rocketmq.proxy.ProxyStartup', '-n', namesrvAddr, '-pc', proxyFile, '-bc', join(folder, 'broker.conf')],
    /startup successfully/,
    port,
    folder,
    env,
  ).catch(async (error: unknown) => {
    await nameServer.stop();
    throw error;
  });
  const admin = async (...command: string[]): Promise<string> => {
    const { stdout } = await promisify(execFile)(
      'java',
      [...java, 'org.apache.rocketmq.tools.command.MQAdminStartup', ...command, '-n', namesrvAddr],
      {
        env: { ...process.env, ...env },
      },
    );
    return stdout;
  };
  // If the broker has not registered with the name server yet, the command succeeds without doing anything.
  await eventually(
    async () => {
      // Without a message type the Node client rejects it.
      const created = await admin('updateTopic', '-c', cluster, '-t', TOPIC, '-a', '+message.type=NORMAL', '-r', '2', '-w', '2');
      const route = await admin('topicRoute', '-t', TOPIC);
      if (!route.includes('brokerDatas')) throw new Error(`RocketMQ has no topic ${TOPIC}: ${created}${route}`);
    },
    { timeoutMs: START_TIMEOUT_MS },
  );
  return {
    port,
    async stop() {
      await proxy.stop();
      await nameServer.stop();
    },
  };
}
