/** Starts services that several rows share. */
export default function setup(): void {}
