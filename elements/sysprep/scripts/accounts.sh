#!/bin/sh
# Removes the accounts that the arguments name.
set -eu

for account; do
    if ! grep -q "^$account:" /etc/passwd; then
        echo "there is no account $account to remove" >&2
        exit 1
    fi
    if command -v userdel >/dev/null; then userdel --remove "$account"; else deluser --remove-home "$account"; fi
    if grep -q "^$account:" /etc/passwd; then
        echo "the account $account is still there" >&2
        exit 1
    fi
done
