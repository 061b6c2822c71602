#!/usr/bin/env bash
# Proves `make` on a machine as Debian or Ubuntu installs it: a fresh root of SUITE (default bookworm) with python3, git
# and make, a clone of HEAD in it, and there the given targets (default: setup, lint, test, run).
#
#   tools/fresh_root.sh                     all of it
#   SUITE=trixie tools/fresh_root.sh setup  only that
#   SUITE=noble tools/fresh_root.sh setup   on Ubuntu
#   KEEP=/var/tmp/root tools/fresh_root.sh  the root stays there, and is used again the next time
#
# Needs root and debootstrap. Mounts live in a namespace of their own and end with it.
set -euo pipefail
cd "$(dirname "$0")/.."

suite=${SUITE:-bookworm}
targets=("$@")
[ $# -gt 0 ] || targets=(setup lint test run)

die() {
	printf 'fresh_root: %s\n' "$*" >&2
	exit 1
}

if [ "${1:-}" = --inside ]; then # within the namespace: --inside ROOT TARGETS
	root=$2
	mount --bind "$root" "$root" # a root is a mount point: some tests unshare mounts
	mount -t proc proc "$root/proc"
	mount --rbind /sys "$root/sys"
	mount --rbind /dev "$root/dev"
	for target in "${@:3}"; do
		printf '\n=== make %s\n' "$target"
		if [ "$target" = run ]; then
			command='timeout 300 make run </dev/null & agent=$!
				for _ in $(seq 100); do
					kill -0 $agent || break
					python3 -c "
import urllib.request
print(urllib.request.urlopen(\"http://127.0.0.1:9500/metrics\").read(300).decode())" 2>/dev/null && break
					sleep 1
				done
				result=$?; kill -TERM $agent; wait $agent
				exit $result'
		else
			command="make $target"
		fi
		chroot "$root" /bin/bash -c "cd /kindling && $command" || die "make $target failed"
	done
	exit
fi

[ "$(id -u)" = 0 ] || die "needs root"
command -v debootstrap >/dev/null || die "debootstrap is missing: apt-get install debootstrap"
options=()
case $suite in
bookworm | trixie | forky | sid)
	# shellcheck disable=SC2016 # apt fills these in
	mirror=${KINDLING_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' |
		sed -n 's/^Debian //p' | head -n 1)}
	[ -n "$mirror" ] || die "apt knows no Debian mirror here: name one in KINDLING_DEBIAN_MIRROR"
	script=sid # all suites are made alike
	;;
*) # Ubuntu: debootstrap knows the mirror, and one script for all suites, by the name of the first
	options=(--components=main,universe)
	mirror=${KINDLING_UBUNTU_MIRROR:-}
	script=gutsy
	;;
esac

root=${KEEP:-$(mktemp -d /var/tmp/kindling-root.XXXXXX)}
[ -n "${KEEP:-}" ] || trap 'rm -rf --one-file-system "$root"' EXIT
if [ ! -e "$root/usr/bin/make" ]; then
	debootstrap --variant=minbase "${options[@]}" --include=python3,git,make,ca-certificates \
		"$suite" "$root" "$mirror" "$script" >/dev/null ||
		die "debootstrap failed: see $root/debootstrap/debootstrap.log"
fi
cp /etc/resolv.conf /etc/hosts "$root/etc/"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
rm -rf "$root/kindling"
git clone --quiet --no-hardlinks . "$root/kindling"
env -u PIP_FIND_LINKS -u PYTHONPATH PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
	unshare --mount --fork --kill-child --propagation private "$0" --inside "$root" "${targets[@]}"
printf '\nfresh_root: %s: all of %s passed\n' "$suite" "${targets[*]}"
