#!/bin/sh
# Sets the proxy $URL, but for $DIRECT, for what the arguments name: packages (of $MANAGER), environment.
set -eu

fail() {
    echo "$1" >&2
    exit 1
}

case $URL in
    *@*) fail "the URL of the proxy has a login, which every instance and every copy of the image would have" ;;
    *[!A-Za-z0-9.:/_%[\]-]*) fail "\`$URL\` is not the URL of a proxy" ;;
    http://?* | https://?*) ;;
    *) fail "\`$URL\` is not the URL of a proxy: write it like http://proxy.example:3128" ;;
esac
case $DIRECT in *[!A-Za-z0-9.:,/*_-]*) fail "\`$DIRECT\` has something that is neither a name nor an address" ;; esac

# FILE NAME VALUE: a line of a file of settings, in place of others of its name.
set_line() {
    [ -e "$1" ] || : >"$1"
    sed -i "/^$2=/d" "$1"
    [ -z "$(tail -c 1 "$1")" ] || echo >>"$1"
    printf '%s=%s\n' "$2" "$3" >>"$1"
}

for what; do
    case $what/$MANAGER in
        packages/apt)
            {
                echo "Acquire::http::Proxy \"$URL\";"
                echo "Acquire::https::Proxy \"$URL\";"
                printf '%s\n' "$DIRECT" | tr , '\n' | while read -r host; do
                    [ -z "$host" ] || printf 'Acquire::%s::Proxy::%s "DIRECT";\n' http "$host" https "$host"
                done
            } >/etc/apt/apt.conf.d/90-proxy.conf
            apt-config dump Acquire::http::Proxy | grep -qF "\"$URL\"" || fail "apt has another proxy, from another file"
            ;;
        packages/dnf) set_line /etc/dnf/dnf.conf proxy "$URL" ;;
        packages/zypper)
            set_line /etc/sysconfig/proxy PROXY_ENABLED '"yes"'
            set_line /etc/sysconfig/proxy HTTP_PROXY "\"$URL\""
            set_line /etc/sysconfig/proxy HTTPS_PROXY "\"$URL\""
            set_line /etc/sysconfig/proxy NO_PROXY "\"$DIRECT\""
            ;;
        packages/*) fail "$MANAGER has no setting of a proxy, only the environment: set \`packages: false\`" ;;
        environment/*)
            if [ -d /etc/systemd ]; then
                for name in http_proxy https_proxy HTTP_PROXY HTTPS_PROXY; do set_line /etc/environment "$name" "$URL"; done
                for name in no_proxy NO_PROXY; do set_line /etc/environment "$name" "$DIRECT"; done
                # Services do not read /etc/environment.
                mkdir -p /etc/systemd/system.conf.d
                {
                    echo '[Manager]'
                    for name in http_proxy https_proxy HTTP_PROXY HTTPS_PROXY; do echo "DefaultEnvironment=$name=$URL"; done
                    for name in no_proxy NO_PROXY; do echo "DefaultEnvironment=$name=$DIRECT"; done
                } >/etc/systemd/system.conf.d/50-proxy.conf
            else
                {
                    for name in http_proxy https_proxy; do echo "export $name=$URL"; done
                    echo "export no_proxy='$DIRECT'"
                } >/etc/profile.d/image-proxy.sh
            fi
            ;;
    esac
done
