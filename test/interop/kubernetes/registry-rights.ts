import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { kubernetesProgram, type RunningKubernetes } from '../../servers/kubernetes/index.js';
import { dataFolder } from '../../servers/process.js';

const CHART = join(__dirname, '../../../packages/kubernetes/chart');

/** Gives the service account `app` of a namespace what the chart gives them with registry.kind=kubernetes. */
export async function grantRegistry(kubernetes: RunningKubernetes, namespace: string): Promise<void> {
  const home = dataFolder('helm');
  const values = `registry.kind=kubernetes,registry.namespaces={${namespace}},registry.serviceAccounts={app}`;
  const args = [
    'template',
    'lane',
    CHART,
    '--namespace',
    'lane-system',
    '--kube-version',
    '1.34.0',
    '-s',
    'templates/registry.yaml',
    '--set',
    values,
  ];
  const { stdout } = await promisify(execFile)(await kubernetesProgram('helm'), args, { env: { ...process.env, HOME: home } });
  await kubernetes.apply(stdout);
}
