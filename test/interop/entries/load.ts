/** Continuous requests, each of which has one right answer. */
import http from 'node:http';
import type { Got } from './entry.js';

/** A request, and whether an answer to it is right. */
export interface Expected {
  readonly host: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly isRight: (got: Got) => boolean;
}

/** The results of all requests. */
export interface Outcome {
  readonly sent: number;
  /** Requests without an answer, or with a status other than 200. */
  readonly failed: readonly string[];
  /** Requests that a lane other than that of the request or its tag answered. */
  readonly wrong: readonly string[];
}

/** How many are in flight at a time, to each port. */
const CONCURRENCY = 4;
/** Pause between two requests: the machine has other work too. */
const PAUSE_MS = 4;

/** Sends requests to gateways, each over a fresh connection, or every second one over kept-alive connections. */
export class Load {
  readonly #agent = new http.Agent({ keepAlive: true });
  readonly #failed: string[] = [];
  readonly #wrong: string[] = [];
  readonly #workers: Promise<void>[] = [];
  #sent = 0;
  #isOver = false;

  constructor(
    ports: readonly number[],
    private readonly expected: readonly Expected[],
    private readonly keepAlive: boolean,
  ) {
    for (const port of ports) for (let i = 0; i < CONCURRENCY; i++) this.#workers.push(this.#work(port, i));
  }

  get sent(): number {
    return this.#sent;
  }

  /** Resolves when nothing is in flight. */
  async end(): Promise<Outcome> {
    this.#isOver = true;
    await Promise.all(this.#workers);
    this.#agent.destroy();
    return { sent: this.#sent, failed: this.#failed, wrong: this.#wrong };
  }

  async #work(port: number, worker: number): Promise<void> {
    for (let i = worker; !this.#isOver; i++) {
      const one = this.expected[i % this.expected.length] as Expected;
      await this.#send(port, one, this.keepAlive && i % 2 === 0);
      this.#sent++;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  #send(port: number, { host, headers, isRight }: Expected, kept: boolean): Promise<void> {
    const what = `${new Date().toISOString()} ${port} ${host} ${JSON.stringify(headers)}`;
    return new Promise((resolve) => {
      const fail = (problem: string): void => {
        this.#failed.push(`${what}: ${problem}`);
        resolve();
      };
      const request = http.request(
        { host: '127.0.0.1', port, path: '/a', headers: { host, ...headers }, agent: kept ? this.#agent : false },
        (response) => {
          let body = '';
          response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
          response.on('error', (error) => fail(error.message));
          response.on('end', () => {
            if (response.statusCode !== 200) {
              fail(`${response.statusCode} ${body}`);
              return;
            }
            if (!isRight(JSON.parse(body) as Got)) this.#wrong.push(`${what}: ${body}`);
            resolve();
          });
        },
      );
      request.on('error', (error) => fail(error.message)).end();
    });
  }
}

/** The tag that an instance got. */
export function tagOf({ headers }: Got): string | undefined {
  return /(?:^|,)\s*lane=([^,;\s]*)/.exec(String(headers.baggage ?? ''))?.[1];
}

/**
 * A request that is always tagged, one that never is, one whose rule comes and goes, which the lane of its tag serves, and one of a
 * lane whose instances come and go, which base serves in the meantime.
 */
export const EXPECTED: readonly Expected[] = [
  { host: 'www.example.com', headers: {}, isRight: (got) => got.name === 'gray' && tagOf(got) === 'gray' },
  { host: 'www.aliyundoc.com', headers: { baggage: 'lane=gray,user=42' }, isRight: (got) => got.name === 'base' && tagOf(got) === undefined },
  { host: 'turn.example.com', headers: {}, isRight: (got) => got.name === (tagOf(got) ?? 'base') },
  { host: 'blue.example.com', headers: {}, isRight: (got) => (got.name === 'blue' || got.name === 'base') && tagOf(got) === 'blue' },
];
