/** Next.js calls this once, when the server starts: registers this instance in Nacos. */
export async function register() {
  if (process.env.NEXT_RUNTIME !== 'nodejs') return;
  const { NacosNamingClient } = await import('nacos');
  const client = new NacosNamingClient({
    logger: { ...console, debug() {}, info() {}, log() {} },
    serverList: process.env.NACOS_SERVER ?? '127.0.0.1:8848',
    namespace: 'public',
  });
  const port = Number(process.env.PORT);
  await client.ready();
  await client.registerInstance('web', { ip: '127.0.0.1', port });
  console.log(`web registered as 127.0.0.1:${port}`);
}
