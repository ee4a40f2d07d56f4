/**
 * Builds kube-apiserver, kube-controller-manager, kubectl, helm and kustomize from the Go modules in go.mod into .cache/kube/bin, once
 * for each version of that file. Downloads no binaries: the tests need only a Go module proxy.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const bin = join(here, '../../../.cache/kube/bin');
const PACKAGES = [
  'k8s.io/kubernetes/cmd/kube-apiserver',
  'k8s.io/kubernetes/cmd/kube-controller-manager',
  'k8s.io/kubernetes/cmd/kubectl',
  'helm.sh/helm/v3/cmd/helm',
  'sigs.k8s.io/kustomize/kustomize/v5',
];
const PROGRAMS = ['kube-apiserver', 'kube-controller-manager', 'kubectl', 'helm', 'kustomize'];

const module = readFileSync(join(here, 'go.mod'), 'utf8');
const version = /k8s\.io\/kubernetes (v[\d.]+)/.exec(module)[1];
const [major, minor] = version.slice(1).split('.');
// Without this an API server reports v0.0.0, and helm rejects charts with a version constraint.
const versions = ['gitVersion=' + version, `gitMajor=${major}`, `gitMinor=${minor}`].map((value) => `-X k8s.io/component-base/version.${value}`);
const flags = ['-trimpath', '-buildvcs=false', '-ldflags', `-s -w ${versions.join(' ')}`];

const stamp = join(bin, 'built.stamp');
const wanted = createHash('sha256')
  .update(module + readFileSync(join(here, 'go.sum'), 'utf8') + PACKAGES.join(' ') + flags.join(' '))
  .digest('hex');
const isBuilt = existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted && PROGRAMS.every((program) => existsSync(join(bin, program)));

if (!isBuilt) {
  const building = `${bin}.building`;
  rmSync(building, { recursive: true, force: true });
  mkdirSync(building, { recursive: true });
  const build = () =>
    spawnSync('go', ['build', ...flags, '-o', building + '/', ...PACKAGES], {
      cwd: here,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, CGO_ENABLED: '0' },
    });
  let go = build();
  // A module proxy may fail once; what has been built is not built again.
  for (let tries = 1; go.status !== 0 && go.error === undefined && tries < 3; tries++) go = build();
  if (go.status !== 0) {
    console.error(
      `could not build the programs of Kubernetes: ${go.error?.message ?? `go ended with ${go.status}`}; this needs Go 1.24 or later and a Go module proxy`,
    );
    process.exit(1);
  }
  writeFileSync(join(building, 'built.stamp'), wanted);
  rmSync(bin, { recursive: true, force: true });
  renameSync(building, bin);
}
