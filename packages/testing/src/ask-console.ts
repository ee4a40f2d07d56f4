/** Calls a console's API as its pages do, and returns the JSON of the answer; with a body, by POST. */
export async function askConsole({ url }: { readonly url: string }, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(`${url}${path}`, {
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    headers: { 'content-type': 'application/json', 'x-lane-console': '1' },
  });
  return response.json();
}
