import { BASE_HOST, GRAY_HOST, type Demo } from './demo.js';

/** The result of the requests to one host. */
export interface HostCheck {
  readonly host: string;
  readonly first: string;
  readonly sent: number;
  readonly right: number;
  /** Unexpected answers, and how often each came. */
  readonly wrong: Readonly<Record<string, number>>;
}

const REQUESTS = 200;
const CONCURRENCY = 8;

/** Sends both requests of the scenario, then 200 more of both, concurrently. */
export async function checkDemo(demo: Demo): Promise<readonly HostCheck[]> {
  const hosts = [BASE_HOST, GRAY_HOST];
  const checks = await Promise.all(
    hosts.map(async (host) => ({ host, first: await ask(demo, host), sent: 0, right: 0, wrong: {} as Record<string, number> })),
  );
  for (const check of checks) count(check, check.first);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < REQUESTS) {
      const check = checks[next++ % checks.length] as (typeof checks)[number];
      count(check, await ask(demo, check.host));
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  return checks;

  function count(check: (typeof checks)[number], answer: string): void {
    check.sent++;
    if (demo.expected(check.host).test(answer)) check.right++;
    else check.wrong[answer] = (check.wrong[answer] ?? 0) + 1;
  }
}

async function ask(demo: Demo, host: string): Promise<string> {
  try {
    const { status, body } = await demo.request(host);
    return status === 200 ? body : `${status} ${body.trim()}`;
  } catch (error) {
    return `no answer: ${(error as Error).message}`;
  }
}
