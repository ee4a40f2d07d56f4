export const dynamic = 'force-dynamic';

/** Rendered by the server for each request, from what A answers; A is asked by its service name. */
export default async function Page() {
  const response = await fetch('http://spring-cloud-a/a', { cache: 'no-store' });
  return <p>{`${process.env.NAME ?? 'Web'} -> ${await response.text()}`}</p>;
}
