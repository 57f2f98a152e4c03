# The program that a benchmark measures, and a directory to work in. Sourced at the root of the project, with `name` set.
[ -n "${GOLDSMITH:-}" ] || cargo build --quiet --release --locked
goldsmith=${GOLDSMITH:-$PWD/target/release/goldsmith}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/goldsmith-$name.XXXXXX")
trap 'rm -rf "$work"' EXIT; trap 'exit 130' INT TERM
accel=tcg
"$goldsmith" doctor --json | tr -d ' \n' | grep -q '"name":"kvm","status":"ok"' && accel=kvm
export LIBGUESTFS_BACKEND_SETTINGS=force_$accel
