#!/bin/sh
# Refuses arguments that are no names or addresses of servers: a file of settings would have another meaning.
set -eu
for server; do
    case $server in
        '' | *[!A-Za-z0-9.:-]* | -*)
            echo "\`$server\` is neither the name nor the address of a server" >&2
            exit 1
            ;;
    esac
done
