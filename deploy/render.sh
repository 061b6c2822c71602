#!/bin/sh
# Writes deploy/kindling.yaml: what the chart's defaults render to. A test keeps it so. Needs helm 3: $HELM, that of
# `make setup-test`, or the machine's.
set -eu
cd "$(dirname "$0")"
[ -n "${HELM:-}" ] || { [ -x ../.cache/bin/helm ] && HELM=../.cache/bin/helm; } || HELM=helm
{
	echo '# The agent on every node of a cluster: kubectl apply -f kindling.yaml. See docs/kubernetes.md.'
	echo '# Made from deploy/helm/kindling by deploy/render.sh.'
	"$HELM" template kindling helm/kindling --namespace kindling --set namespace.create=true \
		--kube-version 1.31.0 2>/dev/null
} >"${1:-kindling.yaml}"
