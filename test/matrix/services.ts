/** Starts what several rows share. */
export default function setup(): void {}
