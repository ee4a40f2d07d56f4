export const dynamic = 'force-dynamic';

export async function POST(request) {
  await request.json();
  const { baggage } = await (await fetch(process.env.PEER, { cache: 'no-store' })).json();
  const answer = await globalThis.heard();
  return new Response(answer.split(' ')[1] === baggage.join() ? answer : `fetch carried ${baggage}, node:http ${answer}`);
}
