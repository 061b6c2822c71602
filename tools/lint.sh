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
# bpf/*.h are checked through the program that includes them.
mapfile -t tidy_files < <(git ls-files --cached --others --exclude-standard -- 'bpf/*.c' 'native/*.c')

# Headers come with the pinned compiler, as in the build.
tidy() {
	local lib
	lib=$("$bin/python" -c 'import os, ziglang; print(os.path.dirname(ziglang.__file__) + "/lib")')
	[ ${#tidy_files[@]} = 0 ] || printf '%s\0' "${tidy_files[@]}" | xargs -0 -P 2 -I{} bash -c '
		home=(-DKINDLING_NATIVE -isystem "$2/include" -isystem "$2/libc/include/x86-linux-gnu"
			-isystem "$2/libc/include/generic-glibc")
		[[ $1 == bpf/* ]] && home=(-target bpfel)
		home+=(-isystem "$2/libc/include/x86-linux-any" -isystem "$2/libc/include/any-linux-any")
		'"$bin"'/clang-tidy --quiet "$1" -- -std=gnu11 -nostdinc "${home[@]}" 2> >(grep -v "generated.$" >&2)
	' _ {} "$lib"
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
