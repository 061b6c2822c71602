#!/usr/bin/env bash
# Builds the real kube-apiserver into .cache/bin, for tests/live/test_apiserver.py: ten minutes on two cores, 3 GB of
# Go's caches, once. The tests want etcd beside it: apt-get install etcd-server.
set -euo pipefail
cd "$(dirname "$0")"

version=v1.34.1
root=$(cd ../.. && pwd)
go=$(command -v go || echo "$root/.venv/bin/go")

mkdir -p "$root/.cache/bin"
GOTOOLCHAIN=local CGO_ENABLED=0 nice "$go" build -trimpath -mod=readonly \
	-ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version" \
	-o "$root/.cache/bin/kube-apiserver" k8s.io/kubernetes/cmd/kube-apiserver
"$root/.cache/bin/kube-apiserver" --version
