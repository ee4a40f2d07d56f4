import { runApp, type AppOptions } from './run-app.js';

/** The visible shape of modules (`node:` modules, or paths) and their exports: keys, names, lengths, texts. */
export async function shapeOf(node: string, files: readonly string[], load: NonNullable<AppOptions['load']>): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await runApp({ node, script: 'shapes.cjs', args: files, load });
  if (code !== 0) throw new Error(`exited with code ${code}: ${stderr}`);
  return JSON.parse(stdout) as Record<string, unknown>;
}
