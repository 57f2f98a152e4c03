#!/bin/sh
# Writes a file for each command of the first boot: the installation of $PACKAGES by $MANAGER, then the arguments.
set -eu

fail() {
    echo "$1" >&2
    exit 1
}

[ $# != 0 ] || [ -n "$PACKAGES" ] || fail "there are neither commands nor packages: leave the element \`firstboot\` out"
rm -rf /etc/firstboot.d
mkdir -p /etc/firstboot.d
number=0

# Makes the next file, with this text.
add() {
    number=$((number + 1))
    file=/etc/firstboot.d/$(printf %03d "$number")
    ( umask 077; printf '%s\n' "$1" >"$file" )
    chmod 0700 "$file"
}

if [ -n "$PACKAGES" ]; then
    case $PACKAGES in *[!A-Za-z0-9@.+_:=~/\ -]*) fail "\`$PACKAGES\` has something that is not the name of a package" ;; esac
    case $MANAGER in
        apt)
            add "#!/bin/sh
set -eu
export DEBIAN_FRONTEND=noninteractive
apt='apt-get -q -y -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3'
\$apt -o APT::Update::Error-Mode=any update
\$apt --no-install-recommends install $PACKAGES"
            ;;
        dnf) add "#!/bin/sh
exec dnf -y --setopt=install_weak_deps=False install $PACKAGES" ;;
        zypper) add "#!/bin/sh
exec zypper --non-interactive install --no-recommends $PACKAGES" ;;
        apk) add "#!/bin/sh
exec apk add --no-cache $PACKAGES" ;;
        pacman) add "#!/bin/sh
exec pacman -Syu --noconfirm --noprogressbar --needed $PACKAGES" ;;
    esac
fi
for command; do
    case $command in
        '#!'*) ;;
        *) command="#!/bin/sh
set -eu
$command" ;;
    esac
    add "$command"
    # Whoever wrote it would learn of a missing quote only from an instance.
    case $command in '#!/bin/sh'*) sh -n "$file" || fail "command $number of the first boot is no text for /bin/sh" ;; esac
done
