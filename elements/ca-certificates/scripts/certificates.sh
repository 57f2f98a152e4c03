#!/bin/sh
# Puts certificates, each an argument as PEM text, into $DIRECTORY. The build makes the bundle of trusted certificates of it.
set -eu

fail() {
    echo "$1" >&2
    exit 1
}

[ $# != 0 ] || fail "the list of certificates is empty: leave the element \`ca-certificates\` out"
mkdir -p "$DIRECTORY"
rm -f "$DIRECTORY"/image-*.crt
number=0
for certificate; do
    number=$((number + 1))
    case $certificate in *'PRIVATE KEY'*) fail "entry $number of the certificates has a private key: leave it out" ;; esac
    # Debian's program takes one certificate of a file.
    [ "$(printf '%s\n' "$certificate" | grep -c -e '-----BEGIN CERTIFICATE-----')" = 1 ] ||
        fail "entry $number of the certificates is not one certificate as PEM text"
    file=$DIRECTORY/image-$number.crt
    printf '%s\n' "$certificate" | openssl x509 -out "$file" || fail "entry $number of the certificates is damaged"
    chmod 0644 "$file"
    openssl x509 -in "$file" -noout -ext basicConstraints 2>/dev/null | grep -q 'CA:TRUE' ||
        fail "entry $number of the certificates is not that of an authority: $(openssl x509 -in "$file" -noout -subject)"
done
