export const dynamic = 'force-dynamic';

/** Rendered by the server for each request, from A's answer; calls A by its service name. */
export default async function Page() {
  const response = await fetch('http://spring-cloud-a/a', { cache: 'no-store' });
  return <p>{`${process.env.NAME ?? 'Web'} -> ${await response.text()}`}</p>;
}
