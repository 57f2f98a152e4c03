#!/bin/sh
# Makes the repository $URL, which $KEY signs, one of apt's, and reads its index.
set -eu

fail() {
    echo "$1" >&2
    exit 1
}

[ "$MANAGER" = apt ] || fail "this element knows repositories of apt only: write a file for $MANAGER by the action \`write\`"
case $ID in '' | *[!a-z0-9-]*) fail "\`$ID\` cannot name the files of a repository: use lowercase letters, digits and \`-\`" ;; esac
case $URL in
    *@*) fail "the URL of the repository has a login, which everybody would have who has the image" ;;
    *[[:space:]]* | '') fail "\`$URL\` is not the URL of a repository" ;;
esac
case $KEY in
    *'PRIVATE KEY'*) fail "the key of the repository is a private one: leave it out, and give the public one" ;;
    '-----BEGIN PGP PUBLIC KEY BLOCK-----'*) ;;
    *) fail "the key of the repository is no text that begins with -----BEGIN PGP PUBLIC KEY BLOCK-----: make one with \`gpg --armor --export\`" ;;
esac
[ -n "$SUITES" ] || fail "the repository $URL has no suites: name one, or \`./\`"

sources=/etc/apt/sources.list.d/$ID.sources
mkdir -p /etc/apt/keyrings
printf '%s\n' "$KEY" >"/etc/apt/keyrings/$ID.asc"
{
    echo "Types: deb"
    echo "URIs: $URL"
    echo "Suites: $SUITES"
    [ -z "$COMPONENTS" ] || echo "Components: $COMPONENTS"
    # apt takes no other key for this repository, and this key for no other one.
    echo "Signed-By: /etc/apt/keyrings/$ID.asc"
} >"$sources"
chmod 0644 "/etc/apt/keyrings/$ID.asc" "$sources"
# This repository alone: a faulty one is named here, and not where packages are installed.
apt-get -q -o APT::Update::Error-Mode=any -o Acquire::Retries=3 -o "Dir::Etc::SourceList=$sources" -o Dir::Etc::SourceParts=- \
    -o APT::Get::List-Cleanup=false update || fail "apt cannot read the repository $URL, or its key has not signed it"
