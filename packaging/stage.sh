#!/bin/sh
# Lays out everything that a package installs: the program, manual pages, completions, the book, examples and the licence.
# All files get the time SOURCE_DATE_EPOCH, so that the same source makes the same package.
# Usage: packaging/stage.sh PROGRAM ROOT
set -eu
program=$(realpath "$1")
mkdir -p "$2"
root=$(realpath "$2")
cd "$(dirname "$0")/.."
umask 022

install -D -m 0755 "$program" "$root/usr/bin/goldsmith"
# Symbols are of use only to debuggers, and are half of the program.
${STRIP:-strip} --strip-unneeded --remove-section=.comment --remove-section=.note "$root/usr/bin/goldsmith"

man=$root/usr/share/man/man1
mkdir -p "$man"
"$program" man "$man" >/dev/null
find "$man" -name '*.1' -exec gzip -9n {} +

complete() { # SHELL FILE
    mkdir -p "$(dirname "$root/$2")"
    "$program" completions "$1" >"$root/$2"
}
complete bash usr/share/bash-completion/completions/goldsmith
complete zsh "${ZSH_COMPLETIONS:-usr/share/zsh/vendor-completions}/_goldsmith"
complete fish usr/share/fish/vendor_completions.d/goldsmith.fish

doc=$root/usr/share/doc/goldsmith
mkdir -p "$doc/book" "$doc/examples/recipes"
cp README.md SECURITY.md "$doc/"
(cd docs/src && find . -name '*.md' -o -name '*.svg') | while read -r page; do
    install -D -m 0644 "docs/src/$page" "$doc/book/$page"
done
cp -R examples/local-element examples/web-server "$doc/examples/"
cp recipes/*.yaml "$doc/examples/recipes/"
find "$root" -type d -exec chmod 0755 {} +
# The mode of an example's script is part of the example.
find "$doc" -type f ! -perm -u+x -exec chmod 0644 {} +
find "$doc" -type f -perm -u+x -exec chmod 0755 {} +
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
