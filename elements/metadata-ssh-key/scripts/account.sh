#!/bin/sh
# Fails if nobody can log in as the account $1.
set -eu
line=$(grep "^$1:" /etc/passwd) || { echo "there is no account $1: make it by the action \`user\`" >&2; exit 1; }
case ${line##*:} in
    */nologin | */false) echo "the shell of $1, ${line##*:}, lets nobody in: choose another account" >&2; exit 1 ;;
esac
