#!/usr/bin/env bash
# Everything `make lint` checks. All checks run, then it fails if one did.
set -uo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
failed=()

check() {
	local name=$1
	shift
	if "$@"; then
		printf 'lint: %s: ok\n' "$name"
	else
		printf 'lint: %s: FAILED\n' "$name" >&2
		failed+=("$name")
	fi
}

mapfile -t c_files < <(git ls-files --cached --others --exclude-standard -- '*.c' '*.h')
mapfile -t tidy_files < <(git ls-files --cached --others --exclude-standard -- 'bpf/*.c' 'native/*.c')

tidy() {
	local headers
	headers=$("$bin/python" -c 'import os, ziglang; print(os.path.dirname(ziglang.__file__) + "/lib/libc/include")')
	[ ${#tidy_files[@]} = 0 ] || printf '%s\0' "${tidy_files[@]}" | xargs -0 -P 2 -I{} bash -c '
		home=(-DKINDLING_NATIVE)
		[[ $1 == bpf/* ]] && home=(-target bpfel -isystem "$2/any-linux-any" -isystem "$2/x86-linux-any")
		'"$bin"'/clang-tidy --quiet "$1" -- -std=gnu11 -Ibpf "${home[@]}" 2> >(grep -v "warnings generated" >&2)
	' _ {} "$headers"
}

mkdir -p .cache
check 'ruff check' "$bin/ruff" check --quiet .
check 'ruff format' "$bin/ruff" format --quiet --check .
check mypy "$bin/mypy"
check 'import layers' env PYTHONPATH=src "$bin/lint-imports" --cache-dir .cache/import_linter
check clang-format "$bin/clang-format" --dry-run --Werror "${c_files[@]}"
check clang-tidy tidy

[ ${#failed[@]} = 0 ] || {
	printf 'lint: failed: %s\n' "${failed[*]}" >&2
	exit 1
}
