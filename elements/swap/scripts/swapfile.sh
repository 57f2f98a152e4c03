#!/bin/sh
# Makes the swap file $1 of $2 MiB.
set -eu
path=$1 size=$2

fail() {
    echo "$1" >&2
    exit 1
}

case $path in
    /*[[:space:]]* | [!/]* | '') fail "the path of the swap file, '$path', is not absolute or has a space" ;;
esac
[ "$size" -ge 1 ] || fail "a swap file of $size MiB is none"
[ ! -e "$path" ] || [ -f "$path" ] || fail "$path is there and is no file"
rm -f "$path"
mkdir -p "${path%/*}/"
( umask 077; : >"$path" )
# The kernel takes no file that btrfs copies on write.
kind=$(stat -f -c %T "${path%/*}/")
[ "$kind" != btrfs ] || chattr +C "$path"
# Blocks that are reserved and not written take no space in an image file. The kernel refuses a file with holes.
if ! fallocate -l "$((size * 1048576))" "$path"; then
    rm -f "$path"
    fail "the file system ($kind) has no space for $size MiB, or cannot reserve it: set a larger \`disk.size\`"
fi
# All instances of an image have the same UUID, whichever it is. A fixed one makes builds repeatable.
mkswap -U 5357a9f1-1e00-4000-8000-000000000001 "$path" 2>/dev/null || mkswap "$path"
# What mkswap writes at the end of the first page.
[ "$(dd if="$path" bs=1 skip=4086 count=10 2>/dev/null)" = SWAPSPACE2 ] ||
    fail "mkswap ended well, and $path is no swap file for pages of 4 KiB"
