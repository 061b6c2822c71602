#!/usr/bin/env bash
# Prepares a Debian or Ubuntu machine: setup.sh run (what `make run` needs) or setup.sh test (what the tests need too).
# Does only what is missing. PYTHON=... chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/../.."

scope=${1:?usage: setup.sh run|test}
here=tools/setup
venv=.venv

say() { printf 'setup: %s\n' "$*"; }
die() {
	printf 'setup: %s\n' "$@" >&2
	exit 1
}

# --- Python -------------------------------------------------------------------------------

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
	local name
	for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
		if command -v "$name" >/dev/null && is_new_enough "$name"; then
			command -v "$name"
			return
		fi
	done
	return 1
}

python=$(find_python) || die \
	"Python 3.11 or newer is needed, and none was found (${PYTHON:-python3} is $("${PYTHON:-python3}" -V 2>/dev/null || echo missing))." \
	"On Ubuntu 22.04: apt-get install python3.11 python3.11-venv. Or name one: make PYTHON=/path/to/python3"

# --- Debian packages ------------------------------------------------------------------------

# Prints the name of the venv package, or nothing where `python -m venv` works.
venv_package() {
	"$python" -c 'import ensurepip, venv' 2>/dev/null && return
	"$python" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])'
}

is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# Prints the alternatives ("a|b") of a list of which none is installed.
missing() {
	local line name wanted
	while read -r line; do
		[ "$line" = @venv@ ] && line=$(venv_package)
		wanted=$line
		for name in ${line//|/ }; do
			is_installed "$name" && wanted=
		done
		[ -n "$wanted" ] && printf '%s\n' "$wanted"
	done < <(sed '/^#/d;/^$/d' "$@")
	return 0
}

# Services must not start because their package is there: Debian asks this file.
forbid_services() {
	[ -e /usr/sbin/policy-rc.d ] || [ ! -w /usr/sbin ] && return
	trap 'rm -f /usr/sbin/policy-rc.d' EXIT
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
	chmod 755 /usr/sbin/policy-rc.d
}

install_packages() {
	local line name names=() absent=()
	export DEBIAN_FRONTEND=noninteractive
	say "Debian packages missing: $*"
	[ "$(id -u)" = 0 ] || die "Installing them needs root: run make as root, or install them yourself with apt-get."
	apt-get update -qq || say "apt-get update met an error; going on with the lists there are"
	for line in "$@"; do
		for name in ${line//|/ }; do
			if [ -n "$(apt-cache madison "$name" 2>/dev/null)" ]; then
				names+=("$name")
				continue 2
			fi
		done
		absent+=("$line")
	done
	forbid_services
	apt-get install -y -qq --no-install-recommends "${names[@]}" >"$log" 2>&1 ||
		die "apt-get could not install them. Is there a network? Its last words:" "$(tail -n 5 "$log")"
	[ ${#absent[@]} = 0 ] || say "no such package here, some tests will be skipped: ${absent[*]}"
}

mkdir -p .cache
log=.cache/apt.log
lists=("$here/debian-run.txt")
[ "$scope" = test ] && lists+=("$here/debian-test.txt")
if command -v apt-get >/dev/null; then
	mapfile -t wanted < <(missing "${lists[@]}")
	[ ${#wanted[@]} = 0 ] || install_packages "${wanted[@]}"
else
	say "no apt-get here: the packages of ${lists[*]} must come from elsewhere"
fi

# --- The virtual environment ----------------------------------------------------------------

if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
	say "creating $venv with $("$python" -V)"
	rm -rf "$venv"
	"$python" -m venv "$venv" || die "python -m venv failed: see above."
fi

extras=build
[ "$scope" = test ] && extras=build,dev
say "installing kindling and its $extras packages into $venv"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
pip() {
	"$venv/bin/python" -m pip install --quiet --constraint "$here/constraints.txt" "$@" ||
		die "pip could not install the packages: see above. It needs a network, or a proxy given in the environment."
}
pip hatchling
pip --no-build-isolation --editable ".[$extras]"
[ "$scope" = run ] || "$venv/bin/python" "$here/cluster_tools.py"
say "done: $venv/bin/kindling"
